"""What is asked of a model that answers, and what comes back: the same for one on this machine and one on a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Sampling:
    """How a response is decoded.

    temperature: 0 is greedy. top_p: in (0, 1]. top_k: 0 for all tokens. max_new_tokens: of a response, ≥ 1; a longer one is cut.
    seed: of the samples. Equal rows in equal batches give equal samples.
    contrast: a of contrastive frames: logits are (1 + a) times those on the whole video minus a times those on a third of its
        frames (SynPO §3.1; 0.5 in its released code). 0: none. For a model on this machine.
    retrospection: each response is put before the model again, which then gives the whole anew (SynPO §3.1).

    Raises:
        ValueError: a value out of its range.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 2048
    seed: int = 0
    contrast: float = 0.0
    retrospection: bool = False

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature={self.temperature}: give 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p}: give a share in (0, 1]")
        if not self.contrast >= 0:
            raise ValueError(f"contrast={self.contrast}: give 0 (none) or more")
        if self.top_k < 0 or self.max_new_tokens < 1:
            raise ValueError(
                f"top_k={self.top_k}, max_new_tokens={self.max_new_tokens}: give 0 or more, and 1 or more"
            )


GREEDY = Sampling()
REVIEW = (
    "Look at the video once more. Mend what your answer gets wrong and add what it leaves out. Give the whole answer anew, as "
    "if it were the first, and do not speak of the earlier one."
)
"""What a model is told of its own response. The paper's wording is not published in its text; this is ours."""


def review_of(prompt: Any, response: str) -> Any:
    """The prompt of the second pass: the conversation with the response and `REVIEW` behind it, or a string with them."""
    if isinstance(prompt, str):
        return f"{prompt}\n\n{response}\n\n{REVIEW}\n\n"
    return [*prompt, {"role": "assistant", "content": response}, {"role": "user", "content": REVIEW}]


def check_samples(n: int, sampling: Sampling) -> None:
    """Raises ValueError for no samples, or for several of greedy decoding, which would all be equal."""
    if n < 1 or (n > 1 and not sampling.temperature):
        raise ValueError(f"n={n} at temperature={sampling.temperature}: give n=1, or a temperature above 0")


@dataclass(frozen=True)
class Sample:
    """One response, or the reason why there is none.

    text: without special tokens; None where there is none. tokens: its length, with the one that ends it, where known.
    finish: "stop", or "length" where it was cut. logp: sum of its tokens' log-probs under the model at temperature 1, where
    asked for. reason: why there is no text, e.g. a video that cannot be decoded. draft: of a retrospection, the response before.
    """

    text: str | None
    tokens: int | None = None
    finish: str | None = None
    logp: float | None = None
    reason: str | None = None
    draft: str | None = None


class Sampler(Protocol):
    """A model that answers rows."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What its responses depend on besides row and sampling, as JSON."""

    def samples(
        self, rows: Sequence[Mapping[str, Any]], n: int = 1, sampling: Sampling = GREEDY
    ) -> list[list[Sample]]:
        """`n` responses to each row (`prompt`, `videos` and so on, as `vidalign.rows` has them), in the rows' order. A row that
        cannot be answered has `n` samples with a reason."""


@runtime_checkable
class AsyncSampler(Sampler, Protocol):
    """A `Sampler` that answers rows side by side, each when it is done."""

    async def answer(self, row: Mapping[str, Any], n: int = 1, sampling: Sampling = GREEDY) -> list[Sample]:
        """`n` responses to one row, in any event loop."""


@dataclass
class LazySampler:
    """A `Sampler` that is loaded when it is first asked, since a large model takes minutes: a run that is refused, is a dry one
    or has nothing left to do goes without.

    settings: as the loaded one has them. load: returns it.
    """

    settings: Mapping[str, Any]
    load: Callable[[], Sampler]
    _loaded: Sampler | None = None

    def samples(
        self, rows: Sequence[Mapping[str, Any]], n: int = 1, sampling: Sampling = GREEDY
    ) -> list[list[Sample]]:
        """See `Sampler`. Raises whatever loading raises."""
        if self._loaded is None:
            self._loaded = self.load()
        return self._loaded.samples(rows, n, sampling)
