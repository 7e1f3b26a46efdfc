import pytest
from server import all_true, completion

from vidalign.judge import BudgetExceeded, JudgeError


def test_calls_end_exactly_at_the_budget_and_finished_answers_stay(serve, judge, ask):
    server = serve(delay=0.01)
    questions = [ask(i) for i in range(40)]
    with pytest.raises(BudgetExceeded, match=r"25 of 25 calls are made \(max_calls\)"):
        judge(server, max_calls=25, max_concurrency=64).ask_sync(questions)
    assert len(server.requests) == 25
    again = judge(server, max_calls=25)
    assert all(answer.value for answer in again.ask_sync(questions))
    assert len(server.requests) == 40  # nothing was asked twice
    assert again.ledger.cache_hits == 25


def test_retries_count(serve, judge, ask):
    server = serve(lambda number, body: ConnectionError)
    with pytest.raises(BudgetExceeded):
        judge(server, max_calls=3, max_retries=10).ask_sync([ask()])
    assert len(server.requests) == 3


def test_dollars_are_never_exceeded(serve, judge, ask):
    # Each answer costs what it may at most: 1,000 tokens at 100 dollars a million are 10 cents.
    server = serve(lambda number, body: completion(all_true(body), usage=(0, 1000)), delay=0.01)
    one = judge(server, max_dollars=1.0, price=(0.0, 100.0), max_tokens=1000, max_concurrency=64)
    with pytest.raises(BudgetExceeded, match=r"\$1\.0000 of \$1\.0000 are spent"):
        one.ask_sync([ask(i) for i in range(40)])
    assert len(server.requests) == 10
    assert one.ledger.dollars == pytest.approx(1.0)


def test_a_worst_case_that_does_not_come_true_is_given_back(serve, judge, ask):
    # Worst case 10 cents, real price 1 cent: all 40 fit into a dollar, one after the other if need be.
    server = serve(lambda number, body: completion(all_true(body), usage=(0, 100)))
    one = judge(server, max_dollars=1.0, price=(0.0, 100.0), max_tokens=1000, max_concurrency=64)
    assert all(answer.value for answer in one.ask_sync([ask(i) for i in range(40)]))
    assert one.ledger.dollars == pytest.approx(0.4)


def test_dollars_without_a_price(serve, judge, ask):
    server = serve()
    with pytest.raises(JudgeError, match=r"no price is known for 'openai/judge'; set price"):
        judge(server, max_dollars=1.0).ask_sync([ask()])
    assert server.requests == []


def test_without_a_price_dollars_are_unknown_and_not_nothing(serve, judge, ask):
    one = judge(serve())
    one.ask_sync([ask()])
    assert one.ledger.unpriced == 1
    assert "unknown dollars" in str(one.ledger)
