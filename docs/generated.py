"""What pages hold that is known elsewhere already: recipes, settings, commands' help, public names.

A page says where by a comment, which is replaced when the site is built, so that it cannot go stale:

    <!-- recipes -->                          every recipe: a table, and its text
    <!-- settings: MODULE.CLASS -->           the fields that a config adds, with default and help
    <!-- help: build chains -->               what `vidalign build chains --help` prints
    <!-- names: MODULE -->                    a table of a module's public names, each with a link
    <!-- reference: MODULE [from MODULE] -->  the docstrings of its public names [that are defined there]
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_DIRECTIVE = re.compile(r"^( *)<!-- (recipes|settings|help|names|reference)(?:: (.+?))? -->$", re.MULTILINE)
# What a browser would load by itself; links, which a reader follows, may lead anywhere.
_LOADED = re.compile(
    r'<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(?:https?:)?//[^"]*"'
    r'|<link\b(?=[^>]*\brel="(?:stylesheet|preconnect|preload|icon|prefetch)")[^>]*\bhref="(?:https?:)?//[^"]*"'
)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return _DIRECTIVE.sub(lambda found: indent(GENERATORS[found[2]](found[3] or ""), found[1]), markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    if loaded := _LOADED.search(output):
        raise PluginError(
            f"{page.file.src_uri}: readers would load {loaded[0]!r} from elsewhere; ship it in docs/"
        )
    return output


def recipes(_: str) -> str:
    from vidalign import cli

    rows, texts = [], []
    for name in cli.recipe_names():
        path = cli.RECIPES / f"{name}.yaml"
        recipe = cli.read_mapping(path)
        cells = [recipe.get(key, "") for key in ("method", "paper", "model_name_or_path", "hardware")]
        rows.append([f"[`{name}`](#{_anchor(name)})", *map(str, cells)])
        texts.append(
            f"### {name} {{ #{_anchor(name)} }}\n\n```yaml\n{path.read_text('utf-8').rstrip()}\n```\n"
        )
    table = _table(["recipe", "method", "paper", "model", "hardware"], rows)
    return "\n".join([table, "", "## The recipes", "", *texts])


def settings(given: str) -> str:
    config = _named(given)
    own = inspect.get_annotations(config)
    rows = []
    for field in dataclasses.fields(config):
        if field.name in own:
            made = field.default_factory is not dataclasses.MISSING
            default = field.default_factory() if made else field.default  # type: ignore[misc]
            rows.append([_breakable(field.name), _breakable(repr(default)), field.metadata["help"]])
    return _table(["setting", "default", "meaning"], rows)


def help_of(given: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vidalign.cli", *given.split(), "--help"],
        cwd=ROOT, env={**os.environ, "COLUMNS": "88", "NO_COLOR": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return f"```text\n{done.stdout.rstrip()}\n```"


def names(module: str) -> str:
    rows = []
    for name, value in _public(module):
        if isinstance(value, type) or inspect.isfunction(value):
            summary = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
            rows.append([f"[`{name}`][{_path(value)}]", _first_sentence(summary)])
        else:
            rows.append(
                [f"`{name}`", f"`{value!r}`" if isinstance(value, tuple) else f"a `{type(value).__name__}`"]
            )
    return _table([f"`{module}`", ""], rows)


def reference(given: str) -> str:
    module, _, within = given.partition(" from ")
    blocks = []
    for _, value in _public(module):
        if not (isinstance(value, type) or inspect.isfunction(value)) or not value.__module__.startswith(
            within
        ):
            continue
        block = f"::: {_path(value)}"
        if value.__name__.endswith("Trainer"):
            block += "\n    options:\n      members: false"  # its methods are TRL's, overridden
        if dataclasses.is_dataclass(value) and any("help" in f.metadata for f in dataclasses.fields(value)):
            # Its signature would be the parent's hundred settings; what it adds is a table.
            block += "\n    options:\n      merge_init_into_class: false\n      show_signature: false\n      members: false"
            if any(f.name in inspect.get_annotations(value) for f in dataclasses.fields(value)):
                block += f"\n\n{settings(_path(value))}"
        blocks.append(block)
    return "\n\n".join(blocks)


GENERATORS: dict[str, Callable[[str], str]] = {
    "recipes": recipes,
    "settings": settings,
    "help": help_of,
    "names": names,
    "reference": reference,
}


def _public(module: str) -> Iterator[tuple[str, Any]]:
    """Names and what they are, classes and functions by where they are defined, so that a lazy name is found as well."""
    loaded = importlib.import_module(module)
    for name in loaded.__all__:
        if not name.startswith("__"):
            yield name, getattr(loaded, name)


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _path(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _breakable(code: str) -> str:
    """Code that a narrow table may break after an underscore."""
    return f"<code>{html.escape(code, quote=False).replace('_', '_<wbr>')}</code>"


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:;])\s(?=[A-Z`])", text, maxsplit=1)[0].rstrip(".:;")


def _anchor(name: str) -> str:
    return re.sub(r"\W+", "-", name)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
