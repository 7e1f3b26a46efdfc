import pytest

from vidalign.stages import Cost, Dropped, Estimate, Pipeline, PipelineError, Stage
from vidalign.stages.estimate import StageEstimate


async def say(item, found):
    if item == "dropped":
        raise Dropped("short")
    return item.upper()


async def never(item, found):
    raise AssertionError("a dry run asks nothing")


def cost_of(item, found):
    # What is known of the stages before, or a guess.
    return Cost(
        calls=1, input_tokens=len(found.get("say", "?" * 10)), output_tokens=5, dollars=0.01, seconds=36.0
    )


def test_a_dry_run_counts_what_is_left_and_nothing_is_asked(tmp_path):
    items = ["abc", "dropped", "abc", "de", "later"]
    with Pipeline(tmp_path / "out", [Stage("say", say)], items[:3]) as pipeline:
        pipeline.run()
    stages = [
        Stage("say", never, cost=lambda item, found: Cost(calls=2)),
        Stage("score", never, cost=cost_of),
    ]
    with Pipeline(tmp_path / "out", stages, items) as pipeline:
        estimate = pipeline.estimate()
    # Equal items once; of "abc" the first result is known, and "dropped" does not come as far as the second stage.
    assert (estimate.stages["say"].rows, estimate.stages["say"].done) == (4, 2)
    assert estimate.stages["say"].cost == Cost(calls=4)
    assert (estimate.stages["score"].rows, estimate.stages["score"].done) == (3, 0)
    assert estimate.stages["score"].cost == Cost(3, 3 + 10 + 10, 15, 0.03, 108.0)
    assert estimate.total.calls == 7
    told = str(estimate).splitlines()
    assert told[0].split() == [
        "stage",
        "rows",
        "done",
        "calls",
        "tokens",
        "in",
        "tokens",
        "out",
        "dollars",
        "hours",
    ]
    assert told[2].split() == ["score", "3", "0", "3", "23", "15", "0.03", "0.03"]
    assert told[-1].split() == ["total", "7", "23", "15", "0.03", "0.03"]


def test_an_unknown_price_makes_the_sum_unknown():
    assert (Cost(dollars=1.0) + Cost(dollars=None)).dollars is None


def test_a_dry_run_makes_locks_and_throws_away_nothing(tmp_path):
    stages = [Stage("say", say, {"n": 1})]
    assert Pipeline(tmp_path / "out", stages, ["a"]).dry_run().stages["say"].rows == 1
    assert not (tmp_path / "out").exists()
    with Pipeline(tmp_path / "out", stages, ["a"]) as pipeline:
        pipeline.run()
        # Beside one that holds the lock.
        assert Pipeline(tmp_path / "out", stages, ["a", "b"]).dry_run().stages["say"].done == 1
    before = [(path, path.read_bytes()) for path in sorted((tmp_path / "out").iterdir())]
    assert Pipeline(tmp_path / "out", stages, ["a"], resume="restart").dry_run().stages["say"].done == 0
    for resume in ("same", "go-on"):
        assert Pipeline(tmp_path / "out", stages, ["a"], resume=resume).dry_run().stages["say"].done == 1
    with pytest.raises(PipelineError, match="results of an earlier run"):
        Pipeline(tmp_path / "out", stages, ["a"], resume="refuse").dry_run()
    with pytest.raises(PipelineError, match="n was 1 and is 2"):
        Pipeline(tmp_path / "out", [Stage("say", say, {"n": 2})], ["a"]).dry_run()
    assert [(path, path.read_bytes()) for path in sorted((tmp_path / "out").iterdir())] == before


def test_what_is_not_known_is_not_known_in_all():
    total = Cost(1, 2, None, 3.0, None) + Cost(1, 2, 3, None, 4.0)
    assert total == Cost(2, 4, None, None, None) and total.at_most == 2
    assert (Cost(2, most_calls=6) + Cost(3)).at_most == 9
    shown = str(Estimate({"ask": StageEstimate(5, 1, Cost(4, 100, None, 0.5, None, 12))})).splitlines()
    assert shown[0].split() == [
        "stage",
        "rows",
        "done",
        "calls",
        "at",
        "most",
        "tokens",
        "in",
        "tokens",
        "out",
        "dollars",
        "hours",
    ]
    assert shown[1].split() == ["ask", "5", "1", "4", "12", "100", "unknown", "0.50", "unknown"]
    assert shown[2].split() == ["total", "4", "12", "100", "unknown", "0.50", "unknown"]
