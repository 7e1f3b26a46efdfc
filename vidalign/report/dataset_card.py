"""The card of a dataset that a build wrote: what it is, how it came about, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vidalign._version import __version__
from vidalign.provenance import versions
from vidalign.report.markdown import card, table
from vidalign.stages.folder import MARK

_LOAD = """\
```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder", split="train")
```

In a recipe: `dataset_name: path/to/this/folder`. To the Hub: `hf upload you/name path/to/this/folder . --repo-type dataset`
sends this card, the rows and whatever lies beside them; `load_dataset(...).push_to_hub("you/name")` sends the rows only."""


@dataclass(frozen=True)
class Card:
    """What a card says.

    title: a few words.
    about: Markdown: what a row is.
    kind: the name of the build.
    judge: its name; None where none was asked.
    settings: of the command. No key is among them.
    tables: heading -> what is counted -> number. Empty ones are left out.
    tags, tasks, language: of the Hub. Tasks are its `task_categories`. Without a language, nothing is said of it.
    loading: further sentences on how to load it.
    paper: title, and number on arXiv if there is one.
    """

    title: str
    about: str
    kind: str
    judge: str | None
    settings: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tags: tuple[str, ...] = ("preference",)
    tasks: tuple[str, ...] = ("video-text-to-text",)
    language: tuple[str, ...] = ("en",)
    loading: str = ""
    paper: str = ""

    def text(self, digest: str = "") -> str:
        """The card. `digest`: of the rows; `datasets` takes two folders of one name and equal `configs` for the same one, and
        would read the rows of the first from its cache for the second, or for those of an earlier build."""
        rows = [{"split": "train", "path": "train.jsonl"}]
        head = {
            "pretty_name": self.title,
            **({"language": list(self.language)} if self.language else {}),
            "task_categories": list(self.tasks),
            "tags": ["vidalign", *self.tags],
            "configs": [{"config_name": "default", "data_files": rows, "description": f"rows {digest}"}],
        }
        packages = ("datasets", "litellm")
        made = {
            "command": f"`vidalign build {self.kind}`",
            **({} if self.judge is None else {"judge": f"`{self.judge}`"}),
            **{name: f"`{value}`" for name, value in self.settings.items() if value is not None},
            "versions": f"vidalign {__version__}, {versions(packages)}",
        }
        parts = [
            MARK,
            f"# {self.title}",
            self.about.strip(),
            f"## How to load it\n\n{_LOAD}",
            self.loading.strip(),
            f"## How it was made\n\n{table(['setting', 'value'], list(made.items()))}",
            *(
                f"## {heading}\n\n{table(['', ''], list(counts.items()))}"
                for heading, counts in self.tables.items()
                if counts
            ),
            f"## Paper\n\n{self.paper}" if self.paper else "",
        ]
        return card("dataset", head, "\n\n".join(filter(None, parts)))
