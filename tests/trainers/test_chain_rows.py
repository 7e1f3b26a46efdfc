"""Rows of chains: their forms, and what is said of bad ones before training starts."""

import math

import pytest
from datasets import Dataset

from vidalign.rows import BadRows


def said(text):
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranked": None}, "ranked: missing, and so is prompts"),
        ({"ranked": []}, "ranked: 0 item"),
        ({"ranked": [said("alone")]}, "ranked: 1 item; a chain has at least 2"),
        ({"ranked": [said("a b"), said("c"), said(" a b ")]}, "ranked: items 0 and 2 are equal"),
        ({"ranked": [said("a"), said(" ")]}, "ranked, item 1: completion: empty"),
        ({"ranked": [said("a"), None]}, "ranked, item 1: completion: missing"),
        ({"scores": [1.0, 2.0]}, "scores: \\[1.0, 2.0\\] instead of one for each of the 5 items"),
        ({"scores": [5.0, 4.0, 4.5, 2.0, 1.0]}, "scores: item 2 has 4.5 and the one before it 4.0"),
        ({"prompt": None}, "ranked, item 0: prompt: missing"),
        ({"videos": ["gone.mp4"]}, r"videos: .*gone\.mp4' does not exist"),
    ],
)
def test_bad_chains_are_named(change, message, trainer_of, chain_rows):
    rows = chain_rows(8)
    rows[4] = {**rows[4], **change}
    if "scores" in change:
        rows = [{"scores": None, **row} for row in rows]
    with pytest.raises(BadRows, match=rf"row 4: {message}"):
        trainer_of("ranking", rows=rows)


def test_strings_instead_of_messages(trainer_of, chain_rows, first_step):
    rows = chain_rows(2)
    text = lambda messages: messages[0]["content"]  # noqa: E731
    plain = [{**r, "prompt": text(r["prompt"]), "ranked": [text(item) for item in r["ranked"]]} for r in rows]
    batch = next(iter(trainer_of("ranking", rows=plain).get_train_dataloader()))
    assert len(batch["chain"]) == 9
    assert math.isfinite(first_step(trainer_of("ranking", rows=plain))[0])


def test_one_list_of_messages_is_no_chain(trainer_of, chain_rows):
    rows = [{**row, "ranked": row["ranked"][0] * 2} for row in chain_rows(2)]
    with pytest.raises(BadRows, match="row 0: ranked: one list of messages; give a list with one such list"):
        trainer_of("ranking", rows=rows)


def test_items_that_differ_in_text_alone(trainer_of, chain_rows):
    [row] = chain_rows(1)
    row["ranked"] = [said("red  circle"), said("red circle")]
    trainer = trainer_of("ranking", rows=[row], per_device_train_batch_size=1)
    tokenizer = trainer.data_collator.encoder.tokenizer
    if tokenizer("red  circle") == tokenizer("red circle"):
        with pytest.raises(
            ValueError, match="row 0 of the dataset: two items of the chain have the same tokens"
        ):
            next(iter(trainer.get_train_dataloader()))
    else:
        next(iter(trainer.get_train_dataloader()))


def called(of):
    call = {"type": "function", "function": {"name": "count", "arguments": {"of": of}}}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}]


def test_items_of_tool_calls_alone_are_told_apart(trainer_of, chain_rows):
    rows = chain_rows(2)
    rows[1]["ranked"] = [called("dogs"), called("cats"), called("dogs")]
    with pytest.raises(BadRows, match="row 1: ranked: items 0 and 2 are equal"):
        trainer_of("ranking", rows=rows)


# Rows of `vidalign build chains --method inject`: the first item is the best, the others have one error each.


def unordered(rows, number):
    return [{**row, "ordered": place != number} for place, row in enumerate(rows)]


@pytest.mark.parametrize("question", [False, True])
@pytest.mark.parametrize("loss_type", [["plackett_luce"], ["hinge"], ["mpo", "hinge"]])
def test_an_order_is_not_made_up(loss_type, question, trainer_of, chain_rows):
    rows = unordered(chain_rows(4, question=question), 1)
    message = "row 1: ordered: false, so of its 4 items only the first is known to be better.*'mpo'"
    with pytest.raises(BadRows, match=message):
        trainer_of("ranking", rows=rows, loss_type=loss_type)


def test_nor_in_rows_to_evaluate_on(trainer_of, chain_rows):
    evaluated = Dataset.from_list(unordered(chain_rows(4), 0))
    with pytest.raises(BadRows, match="row 0: ordered: false"):
        trainer_of("ranking", rows=chain_rows(4), trainer_options={"eval_dataset": evaluated})


@pytest.mark.parametrize("settings", [{"loss_type": ["mpo"]}, {"loss_type": ["dpo"]}, {"chain_length": 2}])
def test_the_best_against_others_needs_no_order(settings, trainer_of, chain_rows, first_step):
    rows = [{**row, "ordered": False} for row in chain_rows(2)]
    assert math.isfinite(first_step(trainer_of("ranking", rows=rows, **settings))[0])


def test_two_items_have_an_order(trainer_of, chain_rows):
    rows = [{**row, "ordered": False, "ranked": row["ranked"][:2]} for row in chain_rows(2)]
    trainer_of("ranking", rows=rows)


def test_a_stream_without_order_stops_where_the_row_is_reached(trainer_of, chain_rows):
    stream = Dataset.from_list([{**row, "ordered": False} for row in chain_rows(4)]).to_iterable_dataset()
    with pytest.raises(ValueError, match=r"row \d of the batch: ordered: false.*'mpo'"):
        trainer_of("ranking", rows=stream, max_steps=1).train()


def test_supervised_training_takes_the_best_of_them(trainer_of, chain_rows):
    rows = Dataset.from_list([{**row, "ordered": False} for row in chain_rows(2)])
    assert trainer_of("sft", rows=rows).train_dataset[0]["completion"] == chain_rows(2)[0]["ranked"][0]
