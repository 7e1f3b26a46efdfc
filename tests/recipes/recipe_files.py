"""Where a recipe stands, by its name."""

from vidalign import cli


def path_of(name):
    return cli.RECIPES / f"{name}.yaml"


def text_of(name):
    return path_of(name).read_text("utf-8")
