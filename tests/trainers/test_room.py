"""A prompt leaves room for one token of its completion at least."""

import pytest


@pytest.mark.parametrize("method", ["synpo", "sft", "ranking"])
def test_a_prompt_as_long_as_max_length_is_refused(method, trainer_of):
    def batch(**settings):
        trainer = trainer_of(method, family_rows=1, per_device_train_batch_size=1, **settings)
        return next(iter(trainer.get_train_dataloader()))

    whole = batch()
    scored = whole["labels"][0] != -100 if method == "sft" else whole["completion_mask"][0].bool()
    length = int(scored.nonzero()[0])  # of the prompt
    cut = batch(max_length=length + 1)
    assert cut["input_ids"].size(1) == length + 1
    with pytest.raises(ValueError, match=rf"row 0 .*has {length} tokens.*max_length={length} leaves no room"):
        batch(max_length=length)
