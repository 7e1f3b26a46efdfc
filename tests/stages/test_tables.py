import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidalign.stages.errors import PipelineError
from vidalign.stages.tables import open_rows

HARD = [
    {"a": "ü \u2028 \u0085 \x0b 猫 😀", "date": "2024-01-01T00:00:00", "n": 2**70, "f": 0.1, "none": None},
    {"other": [{"x": 1}, {"y": [None, True]}], "a": "\ud800 half a pair", "n": 1.0},
    {},
]


def write_lines(path, rows, end="\n"):
    path.write_text("".join(json.dumps(row) + end for row in rows), "utf-8", newline="")
    return path


def test_jsonl_to_jsonl_changes_nothing(tmp_path):
    source = open_rows(write_lines(tmp_path / "in.jsonl", HARD))
    source.write_jsonl(tmp_path / "out.jsonl", lambda index: {"new": index})
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().split(b"\n")[:-1]]
    assert written == [{**row, "new": index} for index, row in enumerate(HARD)]
    assert [list(row) for row in written] == [[*row, "new"] for row in HARD]
    assert [type(row.get("n")) for row in written[:2]] == [int, float]
    assert "猫 😀".encode() in (tmp_path / "out.jsonl").read_bytes()
    assert source.columns() == ["a", "date", "n", "f", "none", "other"]


def test_jsonl_with_a_byte_order_mark_windows_line_ends_blank_lines_and_no_last_end(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}')
    assert list(open_rows(tmp_path / "in.jsonl").values("a")) == [1, 2]
    (tmp_path / "in.jsonl").write_bytes(b'\xef\xbb\xbf\r\n{"a": 1}')
    assert list(open_rows(tmp_path / "in.jsonl").values("a")) == [1]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
        (b"[1, 2]\n", "line 1: list instead of an object"),
        (b'{"a": "\xff"}\n', "line 1: not JSON"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path, content, why):
    (tmp_path / "in.jsonl").write_bytes(content)
    with pytest.raises(PipelineError, match=why):
        open_rows(tmp_path / "in.jsonl").columns()


@pytest.fixture
def table():
    schema = pa.schema(
        [
            ("caption", pa.large_string()),
            pa.field("raw", pa.binary(), metadata={"k": "v"}),
            ("when", pa.timestamp("us", "UTC")),
            ("kind", pa.dictionary(pa.int8(), pa.string())),
            ("few", pa.list_(pa.int16(), 2)),
            ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ],
        metadata={"mine": "kept"},
    )
    when = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    rows = [
        {
            "caption": f"caption {i} ü",
            "raw": bytes([i]),
            "when": when,
            "kind": "ab"[i % 2],
            "few": [i, 1],
            "messages": [{"role": "user", "content": str(i)}],
        }
        for i in range(7)
    ]
    return pa.Table.from_pylist(rows, schema)


EXAMPLES = {"keypoints": [""], "dialogue": [{"speaker": "", "content": ""}]}


def test_parquet_to_parquet_keeps_types_metadata_and_row_groups(tmp_path, table):
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    source = open_rows(tmp_path / "in.parquet")
    assert list(source.values("caption")) == table["caption"].to_pylist()
    source.write_parquet(
        tmp_path / "out.parquet", lambda i: {"keypoints": ["x"] * i, "dialogue": []}, EXAMPLES
    )
    written = pq.read_table(tmp_path / "out.parquet")
    before = pq.read_table(tmp_path / "in.parquet")
    assert before.schema.metadata == {b"mine": b"kept"} and before.schema.field("raw").metadata[b"k"] == b"v"
    assert written.select(table.column_names).equals(before, check_metadata=True)
    assert written["keypoints"].to_pylist() == [["x"] * i for i in range(7)]
    assert written.schema.field("dialogue").type == pa.list_(
        pa.struct([("speaker", pa.string()), ("content", pa.string())])
    )
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 3


def test_rows_are_left_out_and_columns_replaced_in_their_place(tmp_path, table):
    pq.write_table(
        table.rename_columns(["caption", "keypoints", *table.column_names[2:]]), tmp_path / "in.parquet"
    )
    added = lambda i: None if i in (0, 5) else {"keypoints": [str(i)], "dialogue": []}  # noqa: E731
    open_rows(tmp_path / "in.parquet").write_parquet(tmp_path / "out.parquet", added, EXAMPLES)
    written = pq.read_table(tmp_path / "out.parquet")
    assert written["keypoints"].to_pylist() == [["1"], ["2"], ["3"], ["4"], ["6"]]
    assert written["caption"].to_pylist() == [f"caption {i} ü" for i in (1, 2, 3, 4, 6)]
    assert written.column_names == ["caption", "keypoints", *table.column_names[2:], "dialogue"]


@pytest.mark.parametrize("groups", [0, 1])
def test_parquet_without_rows(tmp_path, table, groups):
    with pq.ParquetWriter(tmp_path / "in.parquet", table.schema) as writer:
        for _ in range(groups):
            writer.write_table(table.slice(0, 0))
    open_rows(tmp_path / "in.parquet").write_parquet(tmp_path / "out.parquet", lambda i: None, EXAMPLES)
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.num_rows == 0 and written.column_names == [*table.column_names, "keypoints", "dialogue"]


def test_parquet_to_jsonl_where_json_has_the_types(tmp_path, table):
    pq.write_table(table, tmp_path / "in.parquet")
    for column in ("raw", "when"):
        with pytest.raises(PipelineError, match=f"column '{column}' is of type"):
            open_rows(tmp_path / "in.parquet").check_jsonl()
        table = table.drop_columns([column])
        pq.write_table(table, tmp_path / "in.parquet")
    source = open_rows(tmp_path / "in.parquet")
    source.check_jsonl()
    source.write_jsonl(tmp_path / "out.jsonl", lambda index: {"new": index})
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{**r, "new": i} for i, r in enumerate(table.to_pylist())]


def test_jsonl_to_parquet_takes_columns_that_only_some_rows_have(tmp_path):
    rows = [{"caption": "a"}, {"caption": "b", "late": [1, 2]}, {"late": None, "caption": "c"}]
    source = open_rows(write_lines(tmp_path / "in.jsonl", rows)).to_parquet()
    source.write_parquet(tmp_path / "out.parquet", lambda i: {"keypoints": [], "dialogue": []}, EXAMPLES)
    assert pq.read_table(tmp_path / "out.parquet").select(["caption", "late"]).to_pylist() == [
        {"caption": "a", "late": None},
        {"caption": "b", "late": [1, 2]},
        {"caption": "c", "late": None},
    ]


@pytest.mark.parametrize("values", [[1, "a"], ["\ud800"], [2**70], [{}], [[1], 1]])
def test_what_parquet_cannot_hold_is_said_before_the_build(tmp_path, values):
    source = open_rows(write_lines(tmp_path / "in.jsonl", [{"ok": 1, "odd": value} for value in values]))
    with pytest.raises(PipelineError, match="column 'odd' cannot be one of Parquet"):
        source.to_parquet()


def test_rows_in_memory_are_gone_through_more_than_once_and_are_json(tmp_path):
    with pytest.raises(PipelineError, match="make a list"):
        open_rows(row for row in HARD)
    with pytest.raises(PipelineError, match="row 1: a: Object of type bytes"):
        open_rows([{"a": 1}, {"a": b"1"}]).check_jsonl()


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_file_that_changes_in_the_meantime_is_seen(tmp_path, ending):
    path = tmp_path / f"in.{ending}"
    if ending == "jsonl":
        write_lines(path, [{"a": 1}])
    else:
        pq.write_table(pa.table({"a": [1]}), path)
    source = open_rows(path)
    with open(path, "ab") as file:
        file.write(b"\n")
    with pytest.raises(PipelineError, match="written to during the build"):
        source.write_jsonl(tmp_path / "out.jsonl", lambda index: {})


def test_a_file_that_is_not_parquet_is_named(tmp_path):
    (tmp_path / "in.parquet").write_text("no")
    with pytest.raises(PipelineError, match=r"in\.parquet: not a Parquet file"):
        open_rows(tmp_path / "in.parquet")
