"""What is measured of captions on held-out clips, and how runs are compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vidalign.judge import LexicalJudge, run_sync
from vidalign.report.statistics import Difference, difference
from vidalign.rewards import ChecklistReward, DialogueReward, collapsed
from vidalign.toyworld.sound.captions import dialogue, keypoints
from vidalign.toyworld.sound.scene import SoundScene


@dataclass(frozen=True)
class Evaluation:
    """Held-out clips, one number a clip, in the split's order; the mean over its captions where it has several.

    captions: the first of each clip. dialogue: R_D. recall: R_C. collapsed: share of captions in repetition collapse.
    length: tokens, the closing one among them. speech: whether somebody speaks in the clip.
    """

    captions: list[str]
    dialogue: list[float]
    recall: list[float]
    collapsed: list[float]
    length: list[float]
    speech: list[bool]

    @property
    def spoken(self) -> list[float]:
        """R_D of the clips in which somebody speaks."""
        return [value for value, speech in zip(self.dialogue, self.speech, strict=True) if speech]

    @property
    def unspoken(self) -> list[float]:
        """R_D of the others: the share of captions that make no dialogue up."""
        return [value for value, speech in zip(self.dialogue, self.speech, strict=True) if not speech]


@dataclass(frozen=True)
class Run:
    """One training run.

    log: the trainer's own log, one dictionary every few steps. step_seconds: median.
    evaluations: by `DECODINGS`.
    """

    seed: int
    log: list[dict[str, float]]
    step_seconds: float
    evaluations: dict[str, Evaluation]


GREEDY, SAMPLED = DECODINGS = ("greedy", "sampled")
"""The most likely caption, word by word, and captions drawn as in GRPO, from which its rewards come."""

MEASURES: dict[str, Callable[[Evaluation], Sequence[float]]] = {
    "dialogue F1": lambda evaluation: evaluation.spoken,
    "recall": lambda evaluation: evaluation.recall,
    "collapse": lambda evaluation: evaluation.collapsed,
    "length": lambda evaluation: evaluation.length,
    "quiet": lambda evaluation: evaluation.unspoken,
}

Measure = Callable[[Run], Sequence[float]]


def measure(name: str, decoding: str) -> Measure:
    """name: a key of `MEASURES`. decoding: of `DECODINGS`."""
    of = MEASURES[name]
    return lambda run: of(run.evaluations[decoding])


def evaluate(
    captions: Sequence[Sequence[str]], lengths: Sequence[Sequence[int]], scenes: Sequence[SoundScene]
) -> Evaluation:
    """By the library's rewards with the offline judge, whatever judge the environment names.

    captions, lengths: of each clip, as many for one as for another.
    """
    judge, count = LexicalJudge(), len(captions[0])
    texts = [text for own in captions for text in own]
    spoken = [dialogue(scene) for scene in scenes]
    columns = {
        "keypoints": [keypoints(scene) for scene in scenes for _ in range(count)],
        "dialogue": [turns for turns in spoken for _ in range(count)],
    }
    # Every clip has keypoints and a dialogue, and the offline judge answers always: no score is missing.
    said, seen = (
        [value for value in run_sync(reward(completions=texts, **columns)) if value is not None]
        for reward in (DialogueReward(judge), ChecklistReward(judge))
    )
    return Evaluation(
        captions=[own[0] for own in captions],
        dialogue=_by_clip(said, count),
        recall=_by_clip(seen, count),
        collapsed=_by_clip([float(collapsed(text)) for text in texts], count),
        length=_by_clip([float(length) for own in lengths for length in own], count),
        speech=[bool(turns) for turns in spoken],
    )


def _by_clip(values: Sequence[float], count: int) -> list[float]:
    return [statistics.fmean(values[at : at + count]) for at in range(0, len(values), count)]


def means(runs: Sequence[Run], of: Measure) -> list[float]:
    """One number a run."""
    return [statistics.fmean(of(run)) for run in runs]


def clip_means(runs: Sequence[Run], of: Measure) -> list[float]:
    """One number a clip, averaged over the runs."""
    return [statistics.fmean(values) for values in zip(*(of(run) for run in runs), strict=True)]


def mean(runs: Sequence[Run], of: Measure) -> Difference:
    """The mean over clips and runs with its standard error, as in `gap`."""
    ours = clip_means(runs, of)
    return Difference(
        statistics.fmean(ours), math.hypot(_error(ours), _error(means(runs, of)) if len(runs) > 1 else 0.0)
    )


def gap(ours: Sequence[Run], theirs: Sequence[Run], of: Measure) -> Difference:
    """How far two arms lie apart, paired over clips.

    Its standard error adds up two in squares: over clips, and, for arms of several runs, over runs. That is somewhat too
    large, as the first holds a part of the second, and so on the side of caution.
    """
    paired = difference(clip_means(ours, of), clip_means(theirs, of))
    over_runs = [_error(means(runs, of)) for runs in (ours, theirs) if len(runs) > 1]
    return Difference(paired.mean, math.hypot(paired.error, *over_runs))


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))
