from collections import Counter

import pytest

from vidalign.stages import PipelineError, split_of

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def test_the_shares_are_met_and_the_same_in_every_process():
    counts = Counter(split_of(f"video {number}", SHARES) for number in range(20_000))
    for name, share in SHARES.items():
        # Standard deviation of a share is below 0.003.
        assert abs(counts[name] / 20_000 - share) < 0.015
    # sha256 of the key, by hand: 0x91... / 256 = 0.57, 0x3e... = 0.24
    import hashlib

    for key in ("a", "b"):
        place = int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) / 2**64
        assert split_of(key, {"first": place + 1e-6, "second": 1 - place - 1e-6}) == "first"
        assert split_of(key, {"first": place - 1e-6, "second": 1 - place + 1e-6}) == "second"


def test_a_share_that_grows_takes_from_the_later_ones_only():
    before = {"train": 0.5, "validation": 0.25, "test": 0.25}
    after = {"train": 0.6, "validation": 0.2, "test": 0.2}
    for number in range(2000):
        one, other = (split_of(str(number), shares) for shares in (before, after))
        assert not (one == "train" and other != "train")


@pytest.mark.parametrize(
    "shares", [{"train": 0.9}, {"train": 1.0, "test": 0.0}, {"train": 1.5, "test": -0.5}]
)
def test_shares_that_cannot_be(shares):
    with pytest.raises(PipelineError, match="their sum 1"):
        split_of("a", shares)
