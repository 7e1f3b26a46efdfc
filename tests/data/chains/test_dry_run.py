"""What a dry run says of chains, against what they then ask."""

import contextlib

import pytest

from vidalign.data.chains import build_chains
from vidalign.judge import LLMJudge
from vidalign.stages import MissingRows, Run


@pytest.mark.parametrize(
    "behaviour", ["good", "rejects", "garbage", "two", "same", "reverts", "shortens", "denies"]
)
@pytest.mark.parametrize("method", ["degrade", "unconditioned", "inject"])
def test_no_judge_is_asked_more_often_than_at_most(degrader, behaviours, first, tmp_path, method, behaviour):
    degrader.behave = behaviours[behaviour]
    judge = LLMJudge("judge", api_base=degrader.server.url, cache_dir="", structured=True)
    rows = [{"caption": first(number)} for number in range(3)]
    options = {"method": method, "length": 4, "tries": 2}
    estimate = build_chains(rows, tmp_path / "out", judge, run=Run(dry_run=True), **options).estimate
    with contextlib.suppress(MissingRows):
        build_chains(rows, tmp_path / "out", judge, **options)
    assert estimate.total.calls == 9 and len(degrader.asked) <= estimate.total.at_most
    if behaviour == "good" and method != "inject":
        assert len(degrader.asked) == estimate.total.calls
