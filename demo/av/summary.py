"""The ablation's table, and which of the paper's findings show in it, generated from the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from demo.av.measures import DECODINGS, GREEDY, SAMPLED, Run, gap, mean, measure
from demo.av.results import Results
from demo.av.settings import ARMS, CONTINUED, FULL, REWARDS
from demo.wording import VERDICTS, signed, verdict
from vidalign.report.statistics import Difference
from vidalign.report.tables import Summary

BASE = "SFT"
ONLY_R_D, WITHOUT_R_L = list(ARMS)[1:3]
HEADERS = ("", "", "dialogue F1", "recall", "RepCol", "tokens", "F1 gained", "recall gained")
UNITS = {"collapse": 100.0}
"""Of differences in words: percentage points for shares of captions."""


@dataclass(frozen=True)
class Claim:
    """A finding of the paper (§4.2.3, Table 4), as a difference that it says is positive.

    says: in words. ours, theirs: arms. sign: −1 where the paper finds less, 0 where it finds no difference.
    """

    says: str
    measure: str
    ours: str
    theirs: str
    sign: int = 1


CLAIMS = (
    Claim("R_D improves the dialogue", "dialogue F1", ONLY_R_D, BASE),
    Claim("adding R_C covers more of the events", "recall", WITHOUT_R_L, ONLY_R_D),
    Claim("adding R_L cuts repetition collapse", "collapse", FULL, WITHOUT_R_L, -1),
    Claim("adding R_L improves the dialogue as well", "dialogue F1", FULL, WITHOUT_R_L),
    Claim("all three rewards beat the checkpoint in dialogue", "dialogue F1", FULL, BASE),
    Claim("all three rewards beat the checkpoint in coverage", "recall", FULL, BASE),
    Claim("all three rewards lower collapse below the checkpoint's", "collapse", FULL, BASE, -1),
    Claim(
        "supervised training on the same clips does not improve the dialogue",
        "dialogue F1",
        CONTINUED,
        BASE,
        0,
    ),
    Claim("supervised training on the same clips covers no more", "recall", CONTINUED, BASE, 0),
    Claim("the rewards do more for the dialogue than supervised training", "dialogue F1", FULL, CONTINUED),
    Claim("the rewards do more for coverage than supervised training", "recall", FULL, CONTINUED),
)


def summarise(results: Results) -> Summary:
    return Summary(
        title="Rewards one by one: AVoCaDO's Table 4 in small",
        headers=HEADERS,
        rows=_rows(results),
        notes=_notes(results),
        sentences=_sentences(results),
        caveats=_caveats(results),
    )


def _rows(results: Results) -> list[tuple[str, ...]]:
    """Two rows for the checkpoint and two for each arm, as `HEADERS` names them: one a way of decoding."""
    return [
        _row(title, runs, [results.base], decoding)
        for title, runs in {BASE: [results.base], **results.runs}.items()
        for decoding in DECODINGS
    ]


def _row(title: str, runs: list[Run], base: list[Run], decoding: str) -> tuple[str, ...]:
    def value(name: str) -> Difference:
        return mean(runs, measure(name, decoding))

    gaps = [gap(runs, base, measure(name, decoding)) for name in ("dialogue F1", "recall")]
    collapse = value("collapse")
    return (
        title if decoding == GREEDY else "",
        decoding,
        _pm(value("dialogue F1")),
        _pm(value("recall")),
        f"{100 * collapse.mean:.1f} ± {100 * collapse.error:.1f}%",
        f"{value('length').mean:.1f}",
        *("" if title == BASE else f"{signed(one.mean)} ± {one.error:.3f}" for one in gaps),
    )


def _notes(results: Results) -> list[str]:
    """What the table's numbers are."""
    settings, clips = results.settings, results.base.evaluations[GREEDY]
    return [
        f"{len(clips.captions)} held-out clips; greedy captions, and {settings['samples']} a clip sampled as in GRPO, which is what "
        "its rewards are about (the paper does not say how it decodes). Judged by words with the library's own rewards. Dialogue F1: "
        f"R_D (Eq. 7) of the {len(clips.spoken)} clips in which somebody speaks. Recall: R_C (Eq. 3). RepCol: captions in "
        "repetition collapse, by this library's definition (the paper gives none). Tokens: of a caption.",
        f"Mean ± standard error, which covers the choice of test clips and, over {settings['seeds']} seeds an arm, the order of "
        f"batches and the samples. Gained: against SFT, paired over clips. {VERDICTS}",
        f"{CONTINUED}: the checkpoint trained on, with the reference captions of the clips that GRPO uses, for as many steps of "
        "as many clips (the paper's SFT-2K*).",
    ]


def _sentences(results: Results) -> list[str]:
    """What came out, in plain words."""
    judged = {decoding: [_outcome(results, claim, decoding) for claim in CLAIMS] for decoding in DECODINGS}
    said = []
    for decoding, outcomes in judged.items():
        counted = {one: [o for o, _ in outcomes].count(one) for one in WORDS}
        said.append(
            f"Of {len(CLAIMS)} findings of the paper, with {decoding} captions "
            + ", ".join(f"{count} {WORDS[outcome]}" for outcome, count in counted.items() if count)
            + "."
        )
    for claim, *both in zip(CLAIMS, *judged.values(), strict=True):
        parts = [
            f"{decoding}: {outcome}, {words}"
            for decoding, (outcome, words) in zip(DECODINGS, both, strict=True)
        ]
        said.append(
            f"{claim.says[0].upper()}{claim.says[1:]} ({claim.measure}{' in points' * (claim.measure in UNITS)}, {claim.ours} "
            f"against {claim.theirs}): "
            f"{'; '.join(parts)}."
        )
    made_up = {
        title: 1 - mean(runs, measure("quiet", SAMPLED)).mean
        for title, runs in {BASE: [results.base], **results.runs}.items()
    }
    said.append(
        "Samples that make dialogue up where nobody speaks: "
        + ", ".join(f"{title} {share:.1%}" for title, share in made_up.items())
        + "."
    )
    return said + _curves(results)


SHOWS, HINT, NOISE, OPPOSITE = "shows", "a hint", "does not show", "the opposite shows"
NO_GAIN = "no gain shows (as the paper says)"
WORDS = {
    SHOWS: "show beyond noise",
    HINT: "show as a hint",
    NOISE: "do not show",
    OPPOSITE: "are contradicted",
    NO_GAIN: "say that there is no gain, and none shows",
}


def _outcome(results: Results, claim: Claim, decoding: str) -> tuple[str, str]:
    """What the numbers say to a claim, and the numbers."""
    arms = {BASE: [results.base], **results.runs}
    found = gap(arms[claim.ours], arms[claim.theirs], measure(claim.measure, decoding))
    unit = UNITS.get(claim.measure, 1.0)
    return _decide(found, claim.sign), verdict(Difference(found.mean * unit, found.error * unit))


def _decide(found: Difference, sign: int) -> str:
    if sign == 0:
        return NO_GAIN if found.errors < 2 else OPPOSITE
    towards = found.errors * sign
    return SHOWS if towards >= 2 else HINT if towards >= 1 else NOISE if towards > -2 else OPPOSITE


def _curves(results: Results) -> list[str]:
    """The paper's Figure 7: do the rewards of the arm with all three rise, and do the dips of R_L become shallower?"""
    runs, said = results.runs[FULL], []
    for symbol, name in zip(("R_D", "R_C", "R_L"), REWARDS, strict=True):
        curves = [curve(run, name) for run in runs]
        starts, ends = ([fmean(part) for part in _thirds(curves, which)] for which in (0, 2))
        risen = sum(end > start for start, end in zip(starts, ends, strict=True))
        sentence = (
            f"{symbol} of the samples, with all three rewards: {fmean(starts):.3f} in the first third of the steps and "
            f"{fmean(ends):.3f} in the last, higher in {risen} of {len(runs)} seeds"
        )
        if symbol == "R_L":
            dips = [[min(part) for part in _thirds(curves, which)] for which in (0, 2)]
            sentence += f"; its lowest step {fmean(dips[0]):.3f} and {fmean(dips[1]):.3f}"
        said.append(sentence + ".")
    over = {
        arm: fmean(entry["length/over_soft_limit"] for run in results.runs[arm] for entry in run.log)
        for arm in (WITHOUT_R_L, FULL)
    }
    said.append(
        f"Samples of {results.settings['soft_limit']} tokens or more, where R_L sets in: {over[WITHOUT_R_L]:.1%} of those trained "
        f"without R_L and {over[FULL]:.1%} of those trained with it. Where there are none, the two arms are one."
    )
    return said


def curve(run: Run, reward: str) -> list[float]:
    """A reward's mean over each step's samples."""
    return [entry[f"rewards/{reward}/mean"] for entry in run.log if f"rewards/{reward}/mean" in entry]


def _thirds(curves: Sequence[Sequence[float]], which: int) -> list[list[float]]:
    parts = []
    for values in curves:
        third = max(1, len(values) // 3)
        parts.append(list((values[:third], values[third:-third], values[-third:])[which]))
    return parts


def _caveats(results: Results) -> list[str]:
    """What these numbers cannot show."""
    settings, count = results.settings, len(CLAIMS) * len(DECODINGS)
    collapse = mean([results.base], measure("collapse", SAMPLED)).mean
    return [
        f"{count} differences are judged, some of them by nearly the same captions: by chance alone about "
        f"{max(1, round(count * 0.05))} of them would come out beyond two standard errors.",
        "One checkpoint: no standard error here covers another one.",
        f"All arms have one learning rate ({settings['rate']:g}), set by hand after trials on these held-out clips, and not "
        "searched for by arm.",
        "The reference captions of this world are exact and always worded alike, so supervised training has no noise to suffer "
        "from, and the judge, which goes by words, cannot be talked round: both favour what real data would not.",
        f"{collapse:.1%} of the checkpoint's samples are in repetition collapse (the paper's: 3.5% and 5.1%): the fewer there are, "
        "the less R_L has to cure.",
    ]


def _pm(value: Difference) -> str:
    return f"{value.mean:.3f} ± {value.error:.3f}"
