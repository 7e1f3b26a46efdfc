"""What a chain looks like in the report."""

from demo.chains.study import marked

TRUE = "the background is grey . a red circle moves left ."


def test_errors_are_marked_word_by_word():
    assert marked(TRUE, TRUE) == [(TRUE, True)]
    assert marked("the background is grey . a blue square moves left .", TRUE) == [
        ("the background is grey . a", True),
        ("blue", False),
        ("square", False),
        ("moves left .", True),
    ]
