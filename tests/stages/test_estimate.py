from vidalign.stages import Cost, Dropped, Pipeline, Stage


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
