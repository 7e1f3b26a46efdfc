"""The demo's numbers, and its options."""

import dataclasses

import pytest

from demo.__main__ import main
from demo.settings import PARTS, Settings, quick


def test_quick_is_the_same_path_with_smaller_numbers():
    full, short = dataclasses.asdict(Settings()), dataclasses.asdict(quick())
    assert full.keys() == short.keys()
    assert short["sft_steps"] < full["sft_steps"]
    for part in PARTS:
        assert short[part].keys() == full[part].keys()
        assert short[part]["steps"] < full[part]["steps"]
        assert len(short[part]["rates"]) < len(full[part]["rates"])
    assert sum(short["clips"].values()) < 400


def test_no_clip_serves_two_purposes():
    assert set(Settings().clips) == {"train", "pairs", "validation", "test"}


@pytest.mark.parametrize("option", ["--seeds", "--workers"])
def test_wrong_numbers_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        main([option, "0"])
    assert "at least 1" in capsys.readouterr().err


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--part", "triples"])
    assert "pairs" in capsys.readouterr().err
