"""The processes of a node share the look into media files, and find together what one alone would find."""

from types import SimpleNamespace

import pytest
from datasets import Dataset

from vidalign.rows import MediaFolder
from vidalign.trainers import look


@pytest.fixture
def rows(media_folder):
    """Ten rows of nine files; three files are no videos, and one of those stands in two rows."""
    (media_folder / "broken").mkdir(exist_ok=True)
    for number in range(3):
        (media_folder / "broken" / f"{number}.mp4").write_text("no video")
    names = [f"{number}.mp4" for number in range(6)] + [f"broken/{number}.mp4" for number in (0, 1, 2, 0)]
    return Dataset.from_list([{"videos": [name]} for name in names])


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_file_is_opened_by_one_process_of_a_node(processes, rows, media_folder, monkeypatch):
    opened: list[str] = []

    def probed(source):
        opened.append(source)
        return known(source)

    known = look.probe
    monkeypatch.setattr(look, "probe", probed)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    found = []
    for rank in range(processes):
        state = SimpleNamespace(num_processes=2 * processes, local_process_index=rank, process_index=rank)
        monkeypatch.setattr(look, "PartialState", lambda state=state: state)
        media = look.MediaLook(MediaFolder(str(media_folder)))
        found += [(fault.row, fault.reason) for fault in media._found(rows)]
    assert sorted(row for row, _ in found) == [6, 7, 8, 9]
    assert all("broken" in reason for _, reason in found)
    assert sorted(opened) == sorted(set(opened)) and len(opened) == 9
