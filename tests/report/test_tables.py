"""A comparison as text, by hand."""

from vidalign.report import Summary, render


def test_a_table_as_text():
    text = render(
        Summary(
            "Title",
            ["method", "recall"],
            [["DPO", "0.5"], ["a longer one", "0.25"]],
            notes=["what it is " + "and " * 30 + "so on"],
            sentences=["what came out"],
            caveats=["what it cannot show"],
        )
    )
    title, empty, head, line, one, two, *rest = text.split("\n")
    assert (title, empty) == ("Title", "")
    assert head == "method        recall"
    assert line == "-" * len(head)
    assert one == "DPO              0.5"
    assert two == "a longer one    0.25"
    assert rest[1].startswith("- what it is") and rest[2].startswith("  and ") and max(map(len, rest)) <= 110
    assert [line for line in rest if line.startswith("- ")][1:] == [
        "- what came out",
        "- what it cannot show",
    ]
