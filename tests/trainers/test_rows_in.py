"""Bad rows stop before training starts, with their index, column, file and remedy."""

import pytest
from datasets import Dataset


@pytest.mark.parametrize("method", ["synpo", "dpo", "sft"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos": ["nowhere.mp4"]}, r"row 1: videos: '.*nowhere.mp4' does not exist"),
        ({"videos": ["empty.mp4"]}, r"row 1: videos: '.*empty.mp4' is empty"),
        ({"videos": ["../outside.mp4"]}, r"row 1: videos: .*lies outside.*media_allow"),
        ({"videos": ["https://example.org/a.mp4"]}, "is a URL"),
        ({"videos": ["/etc/hostname"]}, "lies outside"),
        ({"prompt": None}, "row 1: prompt: missing"),
    ],
)
def test_bad_rows_are_named(method, change, message, trainer_of, pair_rows, media_folder):
    (media_folder / "empty.mp4").write_bytes(b"")
    rows = pair_rows(3)
    rows[1] = {**rows[1], **change}
    with pytest.raises(ValueError, match=message):
        trainer_of(method, rows=rows)


def test_the_first_bad_rows_are_listed_and_the_others_counted(trainer_of, pair_rows):
    rows = [{**row, "videos": ["gone.mp4"]} for row in pair_rows(8)]
    with pytest.raises(ValueError, match=r"8 of 8 rows(?s:.*)row 4(?s:.*)and 3 more"):
        trainer_of("synpo", rows=rows)


@pytest.mark.parametrize("bad_media", ["error", "skip"])
@pytest.mark.parametrize("workers", [0, 1])
def test_what_breaks_inside_a_file_is_named_while_training(
    bad_media, workers, trainer_of, pair_rows, media_folder, make_broken
):
    make_broken(media_folder / "broken.mp4")
    rows = pair_rows(2)
    rows[1]["videos"] = ["broken.mp4"]
    trainer = trainer_of("synpo", rows=rows, max_steps=1, bad_media=bad_media, dataloader_num_workers=workers)
    with pytest.raises(
        ValueError, match=r"row 1 of the dataset: .*broken\.mp4: .* frames to be taken cannot be"
    ):
        trainer.train()


def test_a_prompt_longer_than_max_length_is_named_not_cut(trainer_of):
    with pytest.raises(ValueError, match=r"row \d of the dataset: the prompt has \d+ tokens.*max_length=12"):
        trainer_of("synpo", max_length=12, max_steps=1).train()


def test_only_completions_are_cut(trainer_of):
    trainer = trainer_of("synpo")
    longest = max(int(batch["attention_mask"].sum(1).max()) for batch in trainer.get_train_dataloader())
    cut = trainer_of("synpo", max_length=longest - 3)
    for batch in cut.get_train_dataloader():
        assert batch["input_ids"].shape[1] <= longest - 3
        assert (batch["completion_mask"].sum(1) > 0).all()


def test_a_media_token_in_a_completion_is_refused(trainer_of, pair_rows):
    rows = pair_rows(2)
    rows[0]["chosen"] = [{"role": "assistant", "content": "a <|video_pad|> b"}]
    with pytest.raises(ValueError, match=r"row 0: chosen: names a video \('<\|video_pad\|>'\)"):
        trainer_of("synpo", rows=rows)


def test_an_allowed_folder_is_allowed_by_name(trainer_of, pair_rows, make_video, tmp_path):
    path = make_video(tmp_path / "elsewhere.mp4")
    rows = [{**row, "videos": [path]} for row in pair_rows(2)]
    assert trainer_of("synpo", rows=rows, media_allow=[str(tmp_path)]).train_dataset.num_rows == 2


def test_formats_of_one_row_give_the_same_tokens(trainer_of, pair_rows, media_folder):
    row = pair_rows(1)[0]
    text = row["prompt"][0]["content"]
    blocks = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": text}]}]
    with_bytes = (media_folder / row["videos"][0]).read_bytes()
    variants = [
        row,
        {**row, "prompt": blocks},
        {**{k: v for k, v in row.items() if k != "videos"}, "video": row["videos"][0]},
        {**row, "videos": [with_bytes]},
        {
            "videos": row["videos"],
            "chosen": row["prompt"] + row["chosen"],
            "rejected": row["prompt"] + row["rejected"],
        },
    ]
    batches = []
    for variant in variants:
        batches.append(next(iter(trainer_of("synpo", rows=[variant]).get_train_dataloader())))
    for batch in batches[1:]:
        for name in ("input_ids", "completion_mask"):
            assert batch[name].tolist() == batches[0][name].tolist()
        for name, tensor in batches[0]["media"][0].items():
            assert tensor.equal(batch["media"][0][name])


def test_plain_strings_get_their_placeholder_and_their_end(trainer_of):
    rows = [{"videos": ["0.mp4"], "prompt": "describe", "chosen": "a red one", "rejected": "no"}]
    trainer = trainer_of("synpo", rows=rows)
    batch = next(iter(trainer.get_train_dataloader()))
    tokenizer = trainer.processing_class.tokenizer
    for row in batch["input_ids"]:
        assert tokenizer.eos_token_id in row.tolist()
    assert (batch["input_ids"][0] == trainer.model.config.video_token_id).sum() > 0


def test_two_pairs_of_one_prompt_share_their_video(trainer_of, pair_rows):
    row = pair_rows(1)[0]
    rows = [row, {**row, "chosen": [{"role": "assistant", "content": "something else"}]}]
    batch = next(iter(trainer_of("synpo", rows=rows).get_train_dataloader()))
    assert len(batch["media"]) == 1 and batch["prefix_group"].tolist() == [0, 0, 0, 0]


def test_cached_prompts_are_decoded_once(trainer_of, monkeypatch):
    from vidalign.encoding import encoder as encoding

    reads = []
    read = encoding.read_video
    monkeypatch.setattr(encoding, "read_video", lambda *a, **k: reads.append(a) or read(*a, **k))
    trainer_of("synpo", media_cache_gb=1.0, num_train_epochs=3, prefix_self_check=False).train()
    assert len(reads) == 6
    reads.clear()
    trainer_of("synpo", num_train_epochs=2, prefix_self_check=False).train()
    assert len(reads) == 12


def test_features_of_cached_prompts_stay_within_their_memory(trainer_of, losses_of):
    """Frozen towers, prompts in memory, other batches in every epoch: on the CPU, without workers, their media live on."""
    losses, runs, most = [], [], []
    for room in (0.0, 1e-5, 1.0):
        trainer = trainer_of(
            "synpo", freeze=["vision_tower", "projector"], media_cache_gb=1.0, feature_cache_gb=room, num_train_epochs=3
        )  # fmt: skip
        held = []
        trainer.model.register_forward_hook(
            lambda *_, kept=trainer._media_encoder.kept, held=held: held.append(kept.held)
        )
        losses.append(losses_of(trainer))
        runs.append(trainer._media_encoder.runs)
        most.append(max(held))
        assert most[-1] <= room * 2**30
        assert len(trainer._media_encoder.kept) <= 6 + 3 + 1  # each, first batches, and the self-check's
    assert losses[1] == pytest.approx(losses[0], abs=1e-5) and losses[2] == pytest.approx(losses[0], abs=1e-5)
    assert most[0] == 0 < most[1] < most[2]
    assert runs[0] == 9 + 1 and runs[2] <= 1 + 3 + 6 + 1


def test_an_empty_dataset_says_what_it_should_hold(trainer_of):
    empty = Dataset.from_dict({"videos": [], "prompt": [], "chosen": [], "rejected": []})
    with pytest.raises(ValueError, match="columns prompt, chosen, rejected"):
        trainer_of("synpo", rows=empty)


def test_media_need_a_model_that_sees(trainer_of):
    with pytest.raises(ValueError, match=r"llama.*no vision tower.*qwen2_5_vl"):
        trainer_of("synpo", model="llama")


def test_a_stream_of_rows_trains(trainer_of, pair_rows, losses_of):
    stream = Dataset.from_list(pair_rows(6)).to_iterable_dataset()
    assert len(losses_of(trainer_of("synpo", rows=stream, max_steps=2))) == 2


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_read_the_same_rows(context, trainer_of):
    def batches(**settings):
        loader = trainer_of("synpo", **settings).get_train_dataloader()
        if settings:
            loader.base_dataloader.multiprocessing_context = context
        return [batch["input_ids"].tolist() for batch in loader]

    assert batches(dataloader_num_workers=1) == batches()


def test_media_in_the_evaluation_rows_alone_are_not_ignored(trainer_of, pair_rows):
    trainer = trainer_of("synpo", rows=pair_rows(2, media=False))
    with pytest.raises(ValueError, match="training dataset has none"):
        trainer.evaluate(Dataset.from_list(pair_rows(2)))


def test_prompt_learning_is_refused(trainer_of):
    from peft import PromptTuningConfig

    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    with pytest.raises(ValueError, match="virtual tokens"):
        trainer_of("synpo", trainer_options={"peft_config": config})
