import json

import pytest


@pytest.fixture
def save(tmp_path, clip):
    """`save(rows, "in.json")`: a file of rows, beside the media a.mp4, b.mp4, a.wav and a.png."""

    def write(rows, name="in.jsonl"):
        for medium in ("a.mp4", "b.mp4", "a.wav", "a.png"):
            clip(medium)
        path = tmp_path / name
        if path.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), path)
        elif path.suffix == ".json":
            path.write_text(json.dumps(rows), "utf-8")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write
