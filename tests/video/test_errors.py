"""Errors carry path and remedy, also through pickle (as from a dataloader's worker)."""

import pickle

import pytest

from vidalign.video import errors


@pytest.mark.parametrize(
    "kind",
    [
        errors.VideoError,
        errors.VideoNotFound,
        errors.NoVideoStream,
        errors.NoAudioStream,
        errors.DamagedVideo,
        errors.InvalidWindow,
    ],
)
def test_pickle_keeps_everything(kind):
    error = kind("a/b.mp4", "it is broken", "Mend it")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.path, again.problem, again.remedy) == ("a/b.mp4", "it is broken", "Mend it")
    assert str(again) == str(error) == "a/b.mp4: it is broken. Mend it"
    assert isinstance(again, errors.VideoError) and isinstance(again, ValueError)


def test_not_found_is_a_file_not_found_error():
    error = errors.VideoNotFound("x.mp4", "p", "r")
    assert isinstance(error, FileNotFoundError)
    assert error.filename == "x.mp4"


def test_names():
    assert errors.name_of(b"abc") == "<bytes, 3 B>"
    assert errors.name_of("a.mp4") == "a.mp4"
