"""How long an answer's lists may be: under guided decoding nothing else ends a model that goes in circles."""

import pytest

from vidalign.judge.tasks import (
    checklist,
    choices,
    claim_check,
    claims,
    dialogue,
    keypoints,
    speakers,
    yes_no,
)
from vidalign.judge.tasks.dialogue import Turn

CAPTION = 'A man says "yes". A dog runs.'  # 7 words
CAPTIONS = ["A red dog runs.", "A blue dog runs.", "A blue cat sits."]
PAIR = (Turn("a man", "hello"), Turn("the host", "hello"))


def bounds(schema):
    """(minItems, maxItems) of every list in a schema."""
    if isinstance(schema, list):
        return [bound for part in schema for bound in bounds(part)]
    if not isinstance(schema, dict):
        return []
    own = [(schema.get("minItems", 0), schema.get("maxItems"))] if schema.get("type") == "array" else []
    return own + [bound for part in schema.values() for bound in bounds(part)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (checklist.question("A dog.", ["a dog", "it barks"]), (0, 2)),
        (speakers.question([PAIR] * 3, "a caption"), (0, 3)),
        (claim_check.question(["a dog", "it barks"]), (0, 2)),
        (claims.question(CAPTION), (0, 7)),
        (keypoints.question(CAPTION), (0, 7)),
        (dialogue.question(CAPTION), (0, 7)),
        (dialogue.question(""), (0, 1)),
        (choices.question(CAPTIONS), (3, 3)),
        (yes_no.question(CAPTIONS), (3, 3)),
        (keypoints.question("一只狗在跑"), (0, 5)),
    ],
)
def test_lists_end_where_the_material_does(question, expected):
    assert bounds(question.schema) == [expected]


def test_the_instructions_are_the_same_whatever_the_material():
    """What a server has read of them once it need not read again."""
    one, other = (keypoints.question(text).messages()[0] for text in (CAPTION, "A dog."))
    assert one == other and "maxItems" not in one["content"]


def test_the_server_is_told_the_bounds(serve, judge, ask):
    server = serve()
    judge(server).ask_sync([ask()])
    assert bounds(server.requests[0].body["response_format"]) == [(0, 2)]
