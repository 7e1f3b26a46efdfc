"""Repetition collapse: a caption that goes on in circles. The papers report its rate and never define it; this is ours.

A piece of text is repeated if its words stand, in the same order, earlier in the text. `repetition` is the share of a text's
words that lie in a repeated piece of at least 8 words; a caption has collapsed if that share is above 0.3. A loop that runs
to the token limit comes close to 1, whatever its period; a sentence said again in a caption of a hundred words stays near
0.1; three knocks, a chorus line or the same name in every sentence do not count. It needs no tokenizer and no judge, and no
language: words are as in `vidalign.text.words`, punctuation does not count unless there is nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vidalign.rewards.reward import Batch, Reward, Score
from vidalign.text.words import words

PIECE = 8  # words
COLLAPSE = 0.3
_LONG_WORD = 32  # characters; a longer one is a loop without spaces ("hahahaha...") and is taken by character


def repetition(text: str, *, piece: int = PIECE) -> float:
    """Share of the words that lie in a piece of `piece` words or more that stood earlier in the text, in [0, 1).

    Examples:
        >>> repetition("a red ball rolls to the left and " * 10)  # eight words, said ten times
        0.9
        >>> repetition("a bell rings, a bell rings, a bell rings")  # three words are no piece
        0.0
    """
    if piece < 1:
        raise ValueError(f"piece={piece}; the least is one word")
    said = units(text)
    seen: set[tuple[str, ...]] = set()
    repeated = bytearray(len(said))
    for start in range(len(said) - piece + 1):
        gram = tuple(said[start : start + piece])
        if gram in seen:
            repeated[start : start + piece] = b"\x01" * piece
        seen.add(gram)
    return sum(repeated) / len(said) if said else 0.0


def collapsed(text: str, *, piece: int = PIECE, share: float = COLLAPSE) -> bool:
    """Whether a caption has collapsed into repetition.

    Examples:
        >>> collapsed("a red ball rolls to the left and " * 10)
        True
    """
    return repetition(text, piece=piece) > share


def repetition_collapse_rate(texts: Iterable[str], *, piece: int = PIECE, share: float = COLLAPSE) -> float:
    """RepCol (AVoCaDO Table 4, there in percent): share of the captions that have collapsed, in [0, 1].

    Raises:
        ValueError: no captions.

    Examples:
        >>> repetition_collapse_rate(["a dog runs", "a red ball rolls to the left and " * 10])
        0.5
    """
    found = [collapsed(text, piece=piece, share=share) for text in texts]
    if not found:
        raise ValueError("no captions, so no rate")
    return sum(found) / len(found)


def units(text: str) -> list[str]:
    """What is counted: words, long ones by character; of a text without words, its characters."""
    said = words(text)
    if not said:
        return [character for character in text if not character.isspace()]
    return [unit for word in said for unit in (word if len(word) > _LONG_WORD else [word])]


@dataclass
class RepetitionReward(Reward):
    """0 for a caption that repeats nothing, down to `-penalty` for one that does nothing else.

    Args:
        penalty: at least 0; 0 only logs the measure and the rate of collapse.
        piece: words of the shortest piece that counts.
        share: of repeated words, above which a caption has collapsed (logged, not punished apart).
    """

    penalty: float = 1.0
    piece: int = PIECE
    share: float = COLLAPSE
    __name__ = "repetition_reward"

    def __post_init__(self) -> None:
        if self.penalty < 0 or self.piece < 1 or not 0 <= self.share < 1:
            raise ValueError(
                f"penalty={self.penalty}, piece={self.piece}, share={self.share}; they must be at least 0, at least 1 and in "
                "[0, 1)"
            )

    async def scores(self, batch: Batch) -> list[Score]:
        shares = [repetition(text, piece=self.piece) for text in batch.texts]
        batch.mean("repetition/share", shares)
        batch.mean("repetition/collapsed", [float(share > self.share) for share in shares])
        return [Score(-self.penalty * share if share else 0.0) for share in shares]
