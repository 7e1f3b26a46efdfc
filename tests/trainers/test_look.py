"""What is found in media files before training, and what becomes of their rows."""

import logging

import pytest
from datasets import Dataset

from vidalign.rows import BadRows
from vidalign.trainers import look as looking
from vidalign.trainers.collators import ROW


@pytest.fixture
def rows_on(pair_rows):
    """Pairs on one video each: `rows_on("0.mp4", ...)`."""

    def rows(*names):
        return [{**row, "videos": [name]} for row, name in zip(pair_rows(len(names)), names, strict=True)]

    return rows


@pytest.fixture
def bad_folder(tmp_path, media_folder, make_video, make_broken):
    """0.mp4 and 1.mp4 of 2 and 3 seconds, and files that cannot be used: text, a header alone, sound alone, nothing."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("0.mp4", "1.mp4"):
        (folder / name).write_bytes((media_folder / name).read_bytes())
    (folder / "text.mp4").write_text("not a video, but not empty either")
    (folder / "cut.mp4").write_bytes((media_folder / "0.mp4").read_bytes()[:2000])
    whole = bytearray((media_folder / "0.mp4").read_bytes())
    begin, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    whole[begin:end] = bytes(end - begin)
    (folder / "hollow.mp4").write_bytes(whole)
    (folder / "empty.mp4").write_bytes(b"")
    return folder


BAD = ("text.mp4", "cut.mp4", "hollow.mp4", "empty.mp4", "gone.mp4")
REASONS = (
    "FFmpeg cannot open it",
    "FFmpeg cannot open it",
    "no frame can be decoded",
    "is empty",
    "does not exist",
)


@pytest.mark.parametrize(("name", "reason"), list(zip(BAD, REASONS, strict=True)))
def test_what_cannot_be_opened_stops_before_training(name, reason, trainer_of, rows_on, bad_folder):
    with pytest.raises(BadRows, match=rf"train dataset: 1 of 2 rows(?s:.*)row 1: videos: .*{name}.*{reason}"):
        trainer_of("synpo", rows=rows_on("0.mp4", name), media_root=str(bad_folder))
    evaluated = {"eval_dataset": Dataset.from_list(rows_on("0.mp4", name))}
    with pytest.raises(BadRows, match=rf"eval dataset: 1 of 2 rows(?s:.*)row 1: videos: .*{name}.*{reason}"):
        trainer_of("synpo", rows=rows_on("0.mp4"), media_root=str(bad_folder), trainer_options=evaluated)


def test_rows_that_cannot_be_used_are_left_out_and_counted(
    trainer_of, rows_on, bad_folder, losses_of, caplog
):
    rows = rows_on("0.mp4", *BAD, "1.mp4")
    evaluated = {"eval_dataset": Dataset.from_list(rows[:3])}
    settings = {"media_root": str(bad_folder), "bad_media": "skip", "trainer_options": evaluated}
    with caplog.at_level(logging.WARNING, "vidalign.trainers"):
        trainer = trainer_of("synpo", rows=rows, max_steps=1, **settings)
    train, evaluation = [
        record.getMessage() for record in caplog.records if record.name == "vidalign.trainers"
    ]
    assert train.startswith("train dataset: 5 of 7 rows left out (bad_media: skip")
    assert all(f"row {number}: videos: " in train for number in (1, 2, 3)) and train.endswith("; and 2 more")
    assert evaluation.startswith("eval dataset: 2 of 3 rows left out")
    assert [row["videos"] for row in trainer.train_dataset] == [["0.mp4"], ["1.mp4"]]
    assert trainer.train_dataset[ROW] == [0, 6], "messages name the row of the file"
    assert len(trainer.eval_dataset) == 1
    kept = losses_of(
        trainer_of("synpo", rows=rows_on("0.mp4", "1.mp4"), max_steps=1, media_root=str(bad_folder))
    )
    assert len(losses_of(trainer)) == len(kept) == 1
    trainer.evaluate(Dataset.from_list(rows_on("text.mp4", "1.mp4")))


def test_nothing_left_is_an_error(trainer_of, rows_on, bad_folder):
    with pytest.raises(BadRows, match=r"train dataset: no rows left\. 2 of 2 rows left out.*row 0: videos"):
        trainer_of(
            "synpo", rows=rows_on("gone.mp4", "text.mp4"), media_root=str(bad_folder), bad_media="skip"
        )


@pytest.mark.parametrize("name", ["/etc/hostname", "../0.mp4", "https://example.org/a.mp4"])
def test_what_may_not_be_opened_is_not_left_out(name, trainer_of, rows_on, bad_folder):
    with pytest.raises(BadRows, match=r"row 1: videos: .*(outside|URL)"):
        trainer_of("synpo", rows=rows_on("0.mp4", name), media_root=str(bad_folder), bad_media="skip")


@pytest.mark.parametrize("method", ["sft", "ranking"])
def test_other_trainers_leave_them_out_too(method, trainer_of, pair_rows, chain_rows, bad_folder):
    rows = chain_rows(2) if method == "ranking" else pair_rows(2)
    rows[1]["videos"] = ["text.mp4"]
    assert len(trainer_of(method, rows=rows, media_root=str(bad_folder), bad_media="skip").train_dataset) == 1


def test_grpo_leaves_them_out_too(grpo_of, rows_on, bad_folder):
    rows = [{name: row[name] for name in ("videos", "prompt")} for row in rows_on("0.mp4", "text.mp4")]
    assert len(grpo_of(rows=rows, media_root=str(bad_folder), bad_media="skip").train_dataset) == 1


def test_each_file_is_opened_once(trainer_of, rows_on, media_folder, monkeypatch):
    opened = []
    probe = looking.probe
    monkeypatch.setattr(looking, "probe", lambda source: opened.append(source) or probe(source))
    contents = (media_folder / "2.mp4").read_bytes()
    rows = rows_on("0.mp4", "1.mp4", "0.mp4", "1.mp4")
    evaluated = {"eval_dataset": Dataset.from_list(rows[:2])}
    trainer_of("synpo", rows=rows, trainer_options=evaluated)
    assert sorted(opened) == [str(media_folder / name) for name in ("0.mp4", "1.mp4")]
    opened.clear()
    trainer_of("synpo", rows=rows_on(contents, contents))
    assert opened == [contents]


# --- length -----------------------------------------------------------------------------------------------------------


def test_longer_videos_are_refused_or_left_out(trainer_of, rows_on, bad_folder, caplog):
    """0.mp4 lasts 2 seconds, 1.mp4 lasts 3."""
    settings = {"media_root": str(bad_folder), "max_video_seconds": 2.0}
    rows = rows_on("0.mp4", "1.mp4")
    message = (
        r"row 1: videos: '.*1\.mp4': it lasts 3\.0 s, longer than max_video_seconds=2\..*long_videos: skip"
    )
    with pytest.raises(BadRows, match=message):
        trainer_of("synpo", rows=rows, **settings)
    with pytest.raises(BadRows, match=message):
        trainer_of("synpo", rows=rows, bad_media="skip", **settings)
    with caplog.at_level(logging.WARNING, "vidalign.trainers"):
        kept = trainer_of("synpo", rows=rows, long_videos="skip", **settings).train_dataset
    assert kept["videos"] == [["0.mp4"]] and "1 of 2 rows left out" in caplog.text
    with pytest.raises(BadRows, match=r"1 of 3 rows(?s:.*)row 2: videos: .*text\.mp4"):
        trainer_of("synpo", rows=[*rows, *rows_on("text.mp4")], long_videos="skip", **settings)
    assert (
        len(trainer_of("synpo", rows=rows, media_root=str(bad_folder), max_video_seconds=3.0).train_dataset)
        == 2
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"bad_media": "drop"}, r"bad_media='drop' unknown; choose from \['error', 'skip'\]"),
        ({"long_videos": "cut"}, r"long_videos='cut' unknown"),
        ({"max_video_seconds": 0}, "max_video_seconds=0: give a number of seconds above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting, message, trainer_of):
    with pytest.raises(ValueError, match=message):
        trainer_of("synpo", **setting)


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_leaves_rows_out_as_they_come(workers, trainer_of, rows_on, bad_folder, losses_of):
    rows = rows_on("text.mp4", "0.mp4", "gone.mp4", "1.mp4", "0.mp4")
    settings = {"media_root": str(bad_folder), "max_steps": 1, "dataloader_num_workers": workers}
    stream = Dataset.from_list(rows).to_iterable_dataset()
    limits = {"max_video_seconds": 2.0, "long_videos": "skip"}
    one = losses_of(trainer_of("synpo", rows=stream, bad_media="skip", **limits, **settings))
    kept = Dataset.from_list([rows[1], rows[4]]).to_iterable_dataset()
    assert one == losses_of(trainer_of("synpo", rows=kept, **settings))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("text.mp4", {}, r"row 1 of the batch: .*text\.mp4"),
        ("1.mp4", {"max_video_seconds": 2.0}, r"train dataset: videos: '.*1\.mp4': it lasts 3\.0 s"),
        (
            "1.mp4",
            {"max_video_seconds": 2.0, "bad_media": "skip"},
            r"train dataset: videos: '.*1\.mp4': it lasts",
        ),
    ],
)
def test_a_stream_stops_at_a_row_that_is_not_left_out(
    name, settings, message, trainer_of, rows_on, bad_folder
):
    stream = Dataset.from_list(rows_on("0.mp4", name)).to_iterable_dataset()
    with pytest.raises(ValueError, match=message):
        trainer_of("synpo", rows=stream, media_root=str(bad_folder), max_steps=1, **settings).train()
