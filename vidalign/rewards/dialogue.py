"""AVoCaDO's dialogue-based reward R_D (§3.2.3, Eq. 4-7): what is said, in which order, and by whom."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from vidalign.judge.tasks import dialogue, speakers
from vidalign.judge.tasks.dialogue import Turn
from vidalign.llm.media import Medium, shown
from vidalign.llm.question import Judge
from vidalign.rewards.reward import Batch, JudgedReward, Score
from vidalign.rows import MediaFolder, media_of
from vidalign.text.words import plain


class Match(NamedTuple):
    """Generated unit i is reference unit j, from 0. similarity: Eq. 4, in [threshold, 1]."""

    i: int
    j: int
    similarity: float


def similarity(a: str, b: str) -> float:
    """1 - edit_distance(a, b) / max(len(a), len(b)), in [0, 1] (AVoCaDO Eq. 4), over code points, exactly as given:
    `DialogueReward` strips case and punctuation before, unless told otherwise. Two empty strings are equal: 1.

    Examples:
        >>> similarity("come here", "come there")  # one edit in ten characters
        0.9
        >>> similarity("", "")
        1.0
    """
    from rapidfuzz.distance import Levenshtein

    longest = max(len(a), len(b))
    # (m - d) / m rounds once, so that a similarity of exactly 0.6 is the float 0.6.
    return (longest - Levenshtein.distance(a, b)) / longest if longest else 1.0


def align_dialogue(
    generated: Sequence[Any], reference: Sequence[Any], *, threshold: float = 0.6
) -> list[Match]:
    """Matches of generated with reference units: both in their order, each at least `threshold` similar, and of all such
    alignments the one with the largest total similarity (the recursion for F in AVoCaDO §3.2.3).

    Totals are compared as exact fractions. Among alignments with the same total, the one whose first match comes
    first in `generated`, then in `reference`, is taken; then the second match decides, and so on.

    Args:
        generated, reference: contents as strings, or units as `Turn`s, (speaker, content) or {"speaker", "content"}.
        threshold: gamma, in [0, 1].

    Raises:
        ValueError: threshold outside [0, 1], or something that is no unit of dialogue.

    Examples:
        >>> # The two would cross, so only one is matched.
        >>> matches = align_dialogue(["hello", "come here"], ["come here", "hello"])
        >>> [(match.i, match.j, match.similarity) for match in matches]
        [(0, 1, 1.0)]
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold={threshold}; it must lie in [0, 1]")
    rows, columns = [content_of(unit) for unit in generated], [content_of(unit) for unit in reference]
    if not rows or not columns:
        return []
    pairs = _similar_pairs(rows, columns, threshold)
    # Over their least common denominator similarities are whole numbers, and sums of them exact.
    unit = math.lcm(*(longest for longest, _ in pairs.values()))
    gain = {place: (longest - edits) * (unit // longest) for place, (longest, edits) in pairs.items()}
    # best[i][j]: the largest total of generated[i:] and reference[j:].
    best = [[0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    for i in range(len(rows) - 1, -1, -1):
        here, below = best[i], best[i + 1]
        for j in range(len(columns) - 1, -1, -1):
            total = max(below[j], here[j + 1])
            if (i, j) in gain:
                total = max(total, below[j + 1] + gain[i, j])
            here[j] = total
    matches, i, j = [], 0, 0
    while i < len(rows) and best[i][j]:
        # Leaving generated unit i out is right only if none of its pairs reaches the best total.
        place = next(
            (
                k
                for k in range(j, len(columns))
                if (i, k) in gain and best[i + 1][k + 1] + gain[i, k] == best[i][j]
            ),
            None,
        )
        if place is not None:
            longest, edits = pairs[i, place]
            matches.append(Match(i, place, (longest - edits) / longest))
            j = place + 1
        i += 1
    return matches


def _similar_pairs(
    rows: list[str], columns: list[str], threshold: float
) -> dict[tuple[int, int], tuple[int, int]]:
    """(i, j) -> (longer length, edit distance) of the pairs that are similar enough."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    found = {}
    distances = cdist(rows, columns, scorer=Levenshtein.distance).tolist()
    lengths = [len(text) for text in columns]
    for i, (text, row) in enumerate(zip(rows, distances, strict=True)):
        for j, edits in enumerate(row):
            longest = max(len(text), lengths[j])
            if not longest:
                longest, edits = 1, 0  # two empty contents are equal
            # Without anything in common there is no match, whatever the threshold.
            if edits < longest and (longest - edits) / longest >= threshold:
                found[i, j] = (longest, int(edits))
    return found


def dialogue_f1(
    generated: Sequence[Any], reference: Sequence[Any], matches: Sequence[Match], same_speaker: Sequence[bool]
) -> float:
    """F1 of precision S_combined / N and recall S_combined / M, in [0, 1] (AVoCaDO Eq. 5-7).

    S_combined is the mean of S_content, the matches' total similarity, and S_speaker, the number of matches with the same
    speaker. Nothing to say and nothing said: 1. Something said where there is nothing, or nothing where there is something:
    0.

    Args:
        generated, reference: the N and M units of dialogue; only their number counts here.
        matches: from `align_dialogue`.
        same_speaker: one verdict per match.

    Examples:
        >>> caption = [("a man", "come here"), ("a man", "i am running")]
        >>> reference = [("a man", "come here"), ("a woman", "i am coming")]
        >>> matches = align_dialogue(caption, reference)
        >>> round(dialogue_f1(caption, reference, matches, same_speaker=[True, False]), 3)
        0.667
    """
    if len(same_speaker) != len(matches):
        raise ValueError(f"{len(same_speaker)} speaker verdicts for {len(matches)} matches")
    if not generated and not reference:
        return 1.0
    speaker = sum(map(bool, same_speaker))
    combined = (speaker + math.fsum(match.similarity for match in matches)) / 2  # Eq. 5
    if not combined:
        return 0.0
    precision, recall = combined / len(generated), combined / len(reference)  # Eq. 6
    return 2 * precision * recall / (precision + recall)  # Eq. 7


def content_of(unit: Any) -> str:
    """What is said in a unit of dialogue. Raises ValueError if it is none."""
    if isinstance(unit, Mapping):
        unit = unit.get("content")
    elif isinstance(unit, Sequence) and not isinstance(unit, str) and len(unit) == 2:
        unit = unit[1]
    if not isinstance(unit, str):
        raise ValueError(
            f"{unit!r:.80} is no unit of dialogue: a string, (speaker, content) or {{speaker, content}}"
        )
    return unit


@dataclass
class DialogueReward(JudgedReward):
    """R_D over the `dialogue` column.

    The judge copies the dialogue out of the caption, the units are aligned here, and the judge says in one more question
    which of the matched pairs have the same speaker, with the row's video if it takes videos or images.

    `dialogue` is a list of {"speaker", "content"} a row; [] there: nothing is said, so that a caption without dialogue gets
    1, and one with dialogue gets 0. None: does not apply.

    A deviation from Eq. 4, which compares the strings: by default contents are compared by their words (NFKC, case folded,
    apostrophes dropped, all other punctuation a space), so that neither a judge's punctuation nor a caption's costs
    similarity. `normalise=False` is Eq. 4 as it stands. In both, a unit without a letter or digit is left out.

    Args:
        judge: default the environment's (`VIDALIGN_JUDGE`).
        threshold: gamma, the minimum similarity of a pair.
        normalise: compares contents by their words; False compares them as they are.
        media_root: folder that relative paths in `videos` start from; default the trainer's, which `VideoGRPOTrainer` passes
            on, else that of `VIDALIGN_MEDIA_ROOT`, else the current one.
        media_allow: further folders that they may lead into, beside the trainer's; `VIDALIGN_MEDIA_ALLOW` names them likewise,
            with `:` between them (as in PATH). With a `media_root` of its own, only these.

    Raises:
        ValueError: at the call, no `dialogue` column, a row of it that is no dialogue, or a video that is not there.
        JudgeError: the judge cannot answer any more.
    """

    threshold: float = 0.6
    normalise: bool = True
    media_root: str | None = None
    media_allow: tuple[str, ...] = ()
    tasks: ClassVar = ("dialogue", "speakers")
    __name__ = "dialogue_reward"

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"threshold={self.threshold}; it must lie in [0, 1]")
        if isinstance(self.media_allow, str):  # its characters would be folders, "/" among them
            raise ValueError(f"media_allow={self.media_allow!r} is one string; give a tuple of folders")

    async def scores(self, batch: Batch) -> list[Score]:
        judge = self.asked()
        rows = [turns_of(row, i) for i, row in enumerate(batch.column("dialogue", self.__name__))]
        seen = shown(Medium("video", b""), await judge.senses("speakers"))
        media = self._media(batch, rows) if seen else [()] * len(rows)
        jobs = [self._one(judge, *job) for job in zip(batch.texts, rows, media, strict=True)]
        # All of them end before the first error is raised: what was paid for is then in the cache.
        results = await asyncio.gather(*jobs, return_exceptions=True)
        scored: list[_Scored] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            scored.append(result)
        scores = [one.score for one in scored]
        for name in ("units", "matched", "content", "speaker"):
            batch.mean(f"dialogue/{name}", [getattr(one, name) for one in scored])
        self.log_judge(batch, scores, "dialogue")
        return scores

    async def _one(
        self, judge: Judge, text: str, reference: list[Turn] | None, media: Sequence[Medium]
    ) -> _Scored:
        if reference is None:
            return _Scored(Score())
        generated: list[Turn] = []
        if text.strip():
            answer = await judge.ask(dialogue.question(text))
            if answer.value is None:
                return _Scored(Score(reason=answer.reason))
            generated = [turn for turn in answer.value if plain(turn.content)]
        form = plain if self.normalise else str
        contents = [[form(turn.content) for turn in turns] for turns in (generated, reference)]
        matches = align_dialogue(*contents, threshold=self.threshold)
        same: list[bool] = []
        if matches:
            pairs = [(generated[match.i], reference[match.j]) for match in matches]
            verdict = await judge.ask(speakers.question(pairs, text, media))
            if verdict.value is None:
                return _Scored(Score(reason=verdict.reason))
            same = verdict.value
        count = len(matches) or None
        return _Scored(
            Score(dialogue_f1(generated, reference, matches, same)),
            units=float(len(generated)),
            matched=len(matches) / len(reference) if reference else None,
            content=count and sum(match.similarity for match in matches) / count,
            speaker=count and sum(same) / count,
        )

    def _media(self, batch: Batch, rows: Sequence[list[Turn] | None]) -> list[tuple[Medium, ...]]:
        folder = self._folder(batch.media_folder)
        found: list[tuple[Medium, ...]] = []
        for index, reference in enumerate(rows):
            row = {name: batch.columns[name][index] for name in ("video", "videos") if name in batch.columns}
            try:
                videos = [folder.locate(video) for video in media_of(row, "video")] if reference else []
            except ValueError as error:
                raise ValueError(f"videos of completion {index}: {error}") from None
            found.append(tuple(Medium("video", video) for video in videos))
        return found

    def _folder(self, trainers: MediaFolder | None) -> MediaFolder:
        """By whose rules media are opened: this reward's own, the trainer's, or the environment's."""
        if self.media_root is not None:
            return MediaFolder(self.media_root, self.media_allow)
        if trainers is None:
            allowed = os.environ.get("VIDALIGN_MEDIA_ALLOW", "").split(os.pathsep)
            trainers = MediaFolder(
                os.environ.get("VIDALIGN_MEDIA_ROOT") or None, tuple(filter(None, allowed))
            )
        return MediaFolder(trainers.root, (*trainers.allow, *self.media_allow))


@dataclass(frozen=True)
class _Scored:
    """units: generated. matched: share of the reference's. content, speaker: means over the matches."""

    score: Score
    units: float | None = None
    matched: float | None = None
    content: float | None = None
    speaker: float | None = None


def turns_of(row: Any, index: int) -> list[Turn] | None:
    """A row of the `dialogue` column, without units that have no words; None where there is none."""
    if row is None:
        return None
    if isinstance(row, Mapping):  # datasets gives a list of structs back as a struct of lists
        row = [dict(zip(row, unit, strict=True)) for unit in zip(*row.values(), strict=True)]
    if isinstance(row, str) or not isinstance(row, Sequence):
        raise ValueError(f"dialogue of completion {index}: {row!r:.80} is not a list of {{speaker, content}}")
    turns = []
    for unit in row:
        values = (unit.get("speaker"), unit.get("content")) if isinstance(unit, Mapping) else tuple(unit)
        if len(values) != 2 or not all(isinstance(value, str) for value in values):
            raise ValueError(f"dialogue of completion {index}: {unit!r:.80} has no speaker and content")
        turns.append(Turn(*values))
    return [turn for turn in turns if plain(turn.content)]
