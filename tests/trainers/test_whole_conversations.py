"""Pairs as UltraFeedback's releases have them: `prompt` as text, and `chosen` and `rejected` that begin with it as a turn."""

import pytest
import torch
from datasets import Dataset

SYSTEM = {"role": "system", "content": "Be brief."}


def released(row, *, system=False):
    """The row in that form."""
    turns = [SYSTEM, *row["prompt"]] if system else row["prompt"]
    own = {name: turns + row[name] for name in ("chosen", "rejected")}
    return {**row, **own, "prompt": row["prompt"][0]["content"], "prompt_id": "x", "score_chosen": 8.0}


@pytest.mark.parametrize("method", ["synpo", "dpo"])
@pytest.mark.parametrize("media", [False, True], ids=["text", "video"])
@pytest.mark.parametrize("streaming", [False, True], ids=["table", "stream"])
def test_the_turns_that_both_begin_with_are_the_prompt(method, media, streaming, trainer_of, pair_rows):
    rows = [{**row, "prompt": [SYSTEM, *row["prompt"]]} for row in pair_rows(4, media=media)]
    given = [released(row, system=True) for row in pair_rows(4, media=media)]
    batches = []
    for table in (rows, given):
        dataset = Dataset.from_list(table)
        dataset = dataset.to_iterable_dataset() if streaming else dataset
        trainer = trainer_of(
            method,
            rows=dataset,
            model="qwen2_5_vl" if media else "llama",
            trainer_options={"eval_dataset": {"held": Dataset.from_list(table)}},
            max_steps=1,
        )
        evaluation = trainer.get_eval_dataloader("held")
        batches.append([next(iter(loader)) for loader in (trainer.get_train_dataloader(), evaluation)])
    for one, other in zip(*batches, strict=True):
        for name in ("input_ids", "completion_mask"):
            assert torch.equal(one[name], other[name])


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Something else?"},
        {"chosen": [{"role": "assistant", "content": "Four."}]},
        {"rejected": [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "Five."}]},
        {"prompt": None},
    ],
)
def test_a_prompt_that_is_none_of_their_turns_is_named(change, trainer_of, pair_rows):
    rows = [released(row) for row in pair_rows(3, media=False)]
    rows[2] |= change
    message = r"row 2.*: prompt: a string, .* do not both begin with it as a turn; give it as messages"
    with pytest.raises(ValueError, match=message):
        trainer_of("synpo", rows=rows, model="llama")
    stream = Dataset.from_list(rows).to_iterable_dataset()
    with pytest.raises(ValueError, match=message):
        trainer_of("synpo", rows=stream, model="llama", max_steps=3).train()


def test_strings_and_messages_throughout_stay_as_they_are(trainer_of, pair_rows):
    rows = pair_rows(2, media=False)
    text = lambda messages: messages[0]["content"]  # noqa: E731
    plain = [{name: text(row[name]) for name in row} for row in rows]
    for table in (rows, plain):
        batch = next(iter(trainer_of("dpo", rows=table, model="llama").get_train_dataloader()))
        assert batch["completion_mask"].any()
