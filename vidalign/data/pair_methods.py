"""Three ways from the responses of a model to a preference pair: the baselines of caption chains (§4.1.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import NamedTuple, TypeVar

from vidalign.data.attempts import TRIES, answered
from vidalign.data.costs import Asks, length
from vidalign.judge.tasks import claim_check, claims, compare, improve, prose
from vidalign.llm.media import Medium
from vidalign.llm.question import Judge, Question
from vidalign.stages.errors import Unfinished
from vidalign.text.words import words

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """One row of a model's responses, as texts. caption: a description of the video that is right, if there is one."""

    request: str
    responses: Sequence[str]
    caption: str | None = None
    media: tuple[Medium, ...] = ()
    tries: int = TRIES


@dataclass(frozen=True)
class Pair:
    """chosen, rejected: each with its score, if the method has scores; both None where no pair came out, for `reason`."""

    chosen: tuple[str, float | None] | None = None
    rejected: tuple[str, float | None] | None = None
    reason: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


class Method(NamedTuple):
    """column: of the responses. scored: whether its pairs have scores. tasks: of the judge, last the one that is shown the
    videos. pair: the judge and a row -> its pair; raises `Unfinished`. asks: a row -> its questions, for a dry run."""

    column: str
    scored: bool
    tasks: tuple[str, ...]
    pair: Callable[[Judge, Asked], Awaitable[Pair]]
    asks: Callable[[Asked], list[Asks]]


async def by_improvement(judge: Judge, row: Asked) -> Pair:
    """A teacher's version of a response over the response."""
    response = row.responses[0]
    if not words(response):
        return Pair(reason="empty_response")
    better = await answered(
        judge,
        lambda fault: improve.question(row.request, response, row.caption, row.media, fault=fault),
        prose.FAULTS,
        row.tries,
    )
    if words(better) == words(response):
        return Pair(reason="unchanged")
    return Pair((better, None), (response, None))


async def by_comparison(judge: Judge, row: Asked) -> Pair:
    """The best against the worst of a round robin, each two asked in both orders."""
    texts = distinct(row.responses)
    if len(texts) < 2:
        return Pair(reason="too_few_responses")
    games = list(combinations(range(len(texts)), 2))
    orders = [order for a, b in games for order in ((a, b), (b, a))]
    questions = [compare.question(row.request, texts[a], texts[b], row.caption, row.media) for a, b in orders]
    verdicts = await _all(judge, questions)
    outcomes = {game: outcome(*verdicts[2 * at : 2 * at + 2]) for at, game in enumerate(games)}
    found = Counter(outcomes.values())
    counts = {"comparisons": len(games), "contradictions": found["contradiction"], "ties": found["tie"]}
    points = standings(len(texts), outcomes)
    best, worst = points.index(max(points)), points.index(min(points))
    beaten = {(worst, best): "first", (best, worst): "second"}
    if best == worst or any(outcomes.get(game) == won for game, won in beaten.items()):
        reason = next((name for name in ("contradiction", "tie") if found[name]), "cycle")
        return Pair(reason=reason, counts=counts)
    return Pair((texts[best], float(points[best])), (texts[worst], float(points[worst])), counts=counts)


async def by_claims(judge: Judge, row: Asked) -> Pair:
    """The response with the fewest wrong claims against the one with the most (RLAIF-V).

    A response without a claim is left aside: saying nothing would else be the best.
    """
    texts = distinct(row.responses)
    if len(texts) < 2:
        return Pair(reason="too_few_responses")
    stated = await _all(judge, [claims.question(text) for text in texts])
    claimed = [(text, made) for text, made in zip(texts, stated, strict=True) if made]
    silent = len(texts) - len(claimed)
    if len(claimed) < 2:
        return Pair(reason="no_claims", counts={"responses without a claim": silent})
    checks = await _all(judge, [claim_check.question(made, row.caption, row.media) for _, made in claimed])
    wrong = [sum(check) for check in checks]
    counts = {
        "claims": sum(map(len, checks)),
        "wrong claims": sum(wrong),
        "responses without a claim": silent,
    }
    # The first among equals, so that the outcome does not depend on length or words.
    best, worst = wrong.index(min(wrong)), wrong.index(max(wrong))
    if best == worst:
        return Pair(reason="equal_scores", counts=counts)
    return Pair(
        (claimed[best][0], -float(wrong[best])), (claimed[worst][0], -float(wrong[worst])), counts=counts
    )


def _improvement_asks(row: Asked) -> list[Asks]:
    response = row.responses[0]
    if not words(response):
        return []
    question = improve.question(row.request, response, row.caption, row.media)
    return [Asks(question, length(response), most=row.tries)]


def _comparison_asks(row: Asked) -> list[Asks]:
    texts = distinct(row.responses)
    return [
        Asks(compare.question(row.request, first, second, row.caption, row.media), 16)
        for first, second in permutations(texts, 2)
    ]


def _claims_asks(row: Asked) -> list[Asks]:
    texts = distinct(row.responses)
    if len(texts) < 2:
        return []
    # Claims are about what a response has sentences, and a verdict is about as long as one.
    checks = [claim_check.question([text], row.caption, row.media) for text in texts]
    return [
        *(Asks(claims.question(text), length(text)) for text in texts),
        *(Asks(check, length(text)) for check, text in zip(checks, texts, strict=True)),
    ]


METHODS = {
    "improve": Method("response", False, ("improve",), by_improvement, _improvement_asks),
    "compare": Method("responses", True, ("compare",), by_comparison, _comparison_asks),
    "claims": Method("responses", True, ("claims", "claim_check"), by_claims, _claims_asks),
}


def distinct(texts: Sequence[str]) -> list[str]:
    """The texts that have words, each once: only these can be trained on, and equal ones are no pair."""
    found: dict[tuple[str, ...], str] = {}
    for text in texts:
        if key := tuple(words(text)):
            found.setdefault(key, text)
    return list(found.values())


def outcome(forward: int, backward: int) -> str:
    """What two verdicts on two responses, in both orders, come to: "first", "second", "tie" or "contradiction".

    Args:
        forward: 1 if the first is better, 2 if the second, 0 if neither.
        backward: the same with their places exchanged.
    """
    if 0 in (forward, backward):
        return "tie"
    if forward == backward:
        return "contradiction"
    return "first" if forward == 1 else "second"


def standings(count: int, outcomes: Mapping[tuple[int, int], str]) -> list[int]:
    """Each response's wins less its losses. Wins alone would rank who lost no game with who lost all."""
    points = [0] * count
    for (first, second), result in outcomes.items():
        won = {"first": 1, "second": -1}.get(result, 0)
        points[first] += won
        points[second] -= won
    return points


async def _all(judge: Judge, questions: Sequence[Question[T]]) -> list[T]:
    answers = await judge.ask_all(questions)
    for question, answer in zip(questions, answers, strict=True):
        if answer.value is None:
            raise Unfinished(f"{question.task}: {answer.reason}")
    return [answer.value for answer in answers if answer.value is not None]
