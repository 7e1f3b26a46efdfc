"""What a describer can be asked to attend to (AVC-DPO §2.2). The aspects are the paper's; it does not print its prompts, and the
words are ours."""

from __future__ import annotations

from typing import NamedTuple


class Aspect(NamedTuple):
    """focus: what matters, for a judge. prompt: what is added to a request."""

    focus: str
    prompt: str


ASPECTS = {
    "temporal": Aspect(
        "what changes over time: which actions and events happen, in which order, how each begins, goes on and ends, and how "
        "camera, light and scene change",
        "Attend to time above all. Tell what happens from the beginning to the end, in order: how each action begins, goes on and "
        "ends, what it leads to, and how people, things, light and camera change on the way.",
    ),
    "spatial": Aspect(
        "what the picture shows and where: people, things and surroundings, what they look like, how they are laid out, and how "
        "they stand to each other",
        "Attend to space above all. Tell what is to be seen and where: people, things and surroundings with their colours, shapes, "
        "materials and light, what is in front, behind, left and right, and how they stand to each other.",
    ),
}


def with_aspect(prompt: str, aspect: str) -> str:
    """A request with the prompt of an aspect behind it.

    Raises:
        ValueError: an unknown aspect.
    """
    if aspect not in ASPECTS:
        raise ValueError(f"aspect={aspect!r}; known are {', '.join(ASPECTS)}")
    return f"{prompt} {ASPECTS[aspect].prompt}"
