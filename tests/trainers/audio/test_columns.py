"""The `audios` column in its forms, and where its placeholders stand."""

import pytest
from datasets import Audio, Dataset, List, Video


@pytest.fixture
def ids_of(hearing):
    """The first batch's token rows and media of one row."""

    def read(rows, **settings):
        batch = next(iter(hearing("synpo", rows, **settings).get_train_dataloader()))
        return batch["input_ids"].tolist(), batch["media"]

    return read


def test_forms_of_one_sound(ids_of, sound_rows, sound_folder):
    [row] = sound_rows({"audios": ["bell.wav"]})
    data = (sound_folder / "bell.wav").read_bytes()
    single = {name: value for name, value in row.items() if name != "audios"}
    full = str(sound_folder / "bell.wav")
    variants = [
        {**row, "audios": [data]},
        {**row, "audios": [{"path": "bell.wav", "bytes": None}]},
        {**row, "audios": [{"path": None, "bytes": data}]},
        {**single, "audio": "bell.wav"},
    ]
    tables = [Dataset.from_list([variant]) for variant in variants]
    tables.append(Dataset.from_list([{**row, "audios": [full]}]).cast_column("audios", List(Audio())))
    tables.append(Dataset.from_list([{**single, "audio": full}]).cast_column("audio", Audio()))
    expected, [media] = ids_of([row])
    for table in tables:
        ids, [other] = ids_of(table)
        assert ids == expected
        assert all(tensor.equal(other[name]) for name, tensor in media.items())
    # A stream that knows its features.
    streamed, _ = ids_of(tables[-1].to_iterable_dataset(), max_steps=1)
    assert streamed == expected


def test_videos_as_features_give_their_sound(ids_of, sound_rows, sound_folder):
    [row] = sound_rows({"videos": ["0.mp4"]})
    table = Dataset.from_list([{**row, "videos": [str(sound_folder / "0.mp4")]}])
    expected, _ = ids_of([row])
    assert ids_of(table.cast_column("videos", List(Video())))[0] == expected


def test_sound_of_a_film_is_the_film_alone(ids_of, sound_rows):
    """Any container with a track: here the frames are left unread."""
    _, [media] = ids_of(sound_rows({"audios": ["0.mp4"]}))
    assert "input_features" in media and "pixel_values_videos" not in media


def test_blocks_say_where(ids_of, sound_rows):
    [row] = sound_rows({"videos": ["0.mp4"], "audios": ["bell.wav"]})
    text = {"type": "text", "text": row["prompt"][0]["content"]}
    for response in ("chosen", "rejected"):  # Arrow: one type of content in a column
        row[response] = [{"role": "assistant", "content": [{"type": "text", "text": "a bell"}]}]
    row["rejected"][0]["content"][0]["text"] = "no"

    def placed(*blocks):
        return ids_of([{**row, "prompt": [{"role": "user", "content": [*blocks, text]}]}])[0]

    inserted = placed()
    assert placed({"type": "video"}, {"type": "audio"}) == inserted
    assert placed({"type": "audio"}) == inserted  # the video goes before what is there
    assert sorted(placed({"type": "audio"}, {"type": "video"})[0]) == sorted(inserted[0])
    assert placed({"type": "audio"}, {"type": "video"}) != inserted
    with pytest.raises(ValueError, match=r"row 0: prompt: names 2 audios .*and the row has 1"):
        placed({"type": "audio"}, {"type": "audio"})


def test_plain_strings_get_the_placeholder(ids_of, hearing):
    row = {"audios": ["bell.wav"], "prompt": "what rings ?", "chosen": "a bell", "rejected": "no"}
    ids, _ = ids_of([row])
    placeholder = "<|audio_bos|><|AUDIO|><|audio_eos|>"
    assert ids_of([{**row, "prompt": f"{placeholder}\nwhat rings ?"}])[0] == ids
    assert ids_of([{**row, "prompt": f"what rings ? {placeholder}"}])[0] != ids


def test_workers_read_the_same_rows(hearing, mixed_rows):
    def batches(**settings):
        loader = hearing("synpo", mixed_rows, **settings).get_train_dataloader()
        if settings:
            loader.base_dataloader.multiprocessing_context = "spawn"
        return [batch["input_ids"].tolist() for batch in loader]

    assert batches(dataloader_num_workers=1) == batches()
