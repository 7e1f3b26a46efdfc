"""The card of a trained model: what it was trained for, how to ask it, how it came about."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pprint import pformat
from typing import TYPE_CHECKING, Any

from vidalign.report.markdown import card, table

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from vidalign.encoding import VideoSampling
    from vidalign.generate import Sampling

HUB = "https://huggingface.co"
PROMPT = "Describe the video in detail."
FILES = {"video": "video.mp4", "image": "image.png", "audio": "audio.wav"}
TASKS = {"video": "video-text-to-text", "image": "image-text-to-text", "audio": "audio-text-to-text"}
"""The Hub's task of a model, by the first of these media that its rows have."""
TEXT_TASK = "text-generation"
DATA_ENDINGS = (".jsonl", ".json", ".parquet", ".csv")
_LONGEST_PROMPT = 4000  # characters


@dataclass(frozen=True)
class Example:
    """A prompt as training rows have it.

    row: the columns besides media that the model's input is made of: `prompt`, and `tools` or `chat_template_kwargs`.
    media: how many of each kind come with it ("video", "image", "audio").
    share: rows that have this prompt, and rows that were looked at.
    """

    row: Mapping[str, Any]
    media: Mapping[str, int] = field(default_factory=dict)
    share: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class TrainedModel:
    """What a card says of a trained model.

    name: the card's title.
    purpose: what it was trained to do, after "It was trained ... to".
    method: its name. paper: `title`, `id` on arXiv and `citation` (BibTeX), as far as there are any.
    base: what it was trained from, as it was named. base_on_hub: whether it came from the Hub; only then it is linked.
    dataset: what it was trained on, as it was named.
    media: kinds that its rows have, of "video", "image" and "audio"; none for text.
    adapter: whether the files are those of an adapter (PEFT).
    hub_id: where the files go on the Hub; None where they stay on disk.
    example: a prompt of training; None where none is known.
    decoding: how responses are drawn. sampling: how videos are read.
    known_family: whether `LocalModel` can load it; else transformers' pipeline is shown.
    facts: of the training, by what they are called. None is left out.
    figures: the first and the last value of what training logged, by name.
    results: of evaluations.
    tags: of the Hub.
    """

    name: str
    purpose: str
    method: str
    paper: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None
    base_on_hub: bool = False
    dataset: str | None = None
    media: tuple[str, ...] = ("video",)
    adapter: bool = False
    hub_id: str | None = None
    example: Example | None = None
    decoding: Sampling | None = None
    sampling: VideoSampling | None = None
    known_family: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    results: Sequence[EvalResult] = ()
    tags: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The Hub's `pipeline_tag`."""
        return next((task for kind, task in TASKS.items() if kind in self.media), TEXT_TASK)

    def text(self) -> str:
        """The card."""
        on_hub = self.base if self.base_on_hub else None
        data = hub_dataset(self.dataset)
        head = {
            "library_name": "peft" if self.adapter else "transformers",
            "pipeline_tag": self.task,
            "model_name": self.name,
            "base_model": on_hub,
            "base_model_relation": ("adapter" if self.adapter else "finetune") if on_hub else None,
            "datasets": [data] if data else None,
            "eval_results": list(self.results) or None,
            "tags": list(dict.fromkeys(["vidalign", *self.tags])),
        }
        facts = [(name, value) for name, value in self.facts.items() if value is not None]
        figures = [(name, *map(_number, ends)) for name, ends in self.figures.items()]
        results = [
            (one.dataset_name, one.metric_name or one.metric_type, one.metric_value) for one in self.results
        ]
        parts = [
            f"# {self.name}",
            f"{self._origin()} It was trained with {self._method()} to {self.purpose}. {self._data()}",
            f"## Quick start\n\n{self._quick_start()}",
            f"## How it was trained\n\n{table(['', ''], facts)}" if facts else "",
            f"## What training logged\n\n{table(['', 'first', 'last'], figures)}" if figures else "",
            f"## Results\n\n{table(['dataset', 'metric', 'value'], results)}" if results else "",
            f"## Citation\n\n```bibtex\n{self.paper['citation'].strip()}\n```"
            if self.paper.get("citation")
            else "",
        ]
        return card("model", head, "\n\n".join(filter(None, parts)))

    def quick_start(self) -> str:
        """Python that loads the files, shows them what they were trained on, and prints the response."""
        return self._local_model() if self.known_family else self._pipeline()

    def _local_model(self) -> str:
        loading = [repr(self._source())]
        imports = ["from vidalign.generate import LocalModel, Sampling"]
        if self.sampling is not None and self.media:
            imports.insert(0, "from vidalign.encoding import VideoSampling")
            loading.append(f"sampling={_call('VideoSampling', self.sampling, shown=('fps',))}")
        row = {f"{kind}s": _files(kind, count) for kind, count in self._example.media.items() if count}
        return "\n".join(
            [
                *imports,
                "",
                f"model = LocalModel.load({', '.join(loading)})",
                f"row = {_literal({**row, **self._example.row})}",
                f"[[sample]] = model.samples([row], sampling={_call('Sampling', self.decoding)})",
                "print(sample.text or sample.reason)",
            ]
        )

    def _pipeline(self) -> str:
        drawn = {"max_new_tokens": 512, "do_sample": False}
        if self.decoding is not None:
            drawn["max_new_tokens"] = self.decoding.max_new_tokens
            if self.decoding.temperature:
                names = ("temperature", "top_p", "top_k")
                drawn |= {"do_sample": True, **{name: getattr(self.decoding, name) for name in names}}
        options = "".join(f", {name}={value!r}" for name, value in drawn.items())
        return "\n".join(
            [
                "from transformers import pipeline",
                "",
                f"prompt = {_literal(self._example.row['prompt'])}",
                f"generator = pipeline({TEXT_TASK!r}, model={self._source()!r})",
                f"[answer] = generator(prompt, return_full_text=False{options})",
                'print(answer["generated_text"])',
            ]
        )

    def _quick_start(self) -> str:
        kinds = [kind for kind, count in self._example.media.items() if count]
        files = " and ".join(f"`{FILES[kind]}`" for kind in kinds)
        where = "" if self.hub_id else ", in this card's folder"
        lead = f"With `vidalign` installed{where}" if self.known_family else f"With `transformers`{where}"
        lead += f", and {files} a file of yours:" if files else ":"
        return f"{lead}\n\n```python\n{self.quick_start()}\n```\n\n{self._prompt()} {self._decoding()}"

    def _prompt(self) -> str:
        if self.example is None or self._example is not self.example:
            return "The prompt is an example, and none of those of training."
        rows, of = self.example.share
        if rows == of:
            return "The prompt is that of the training rows."
        return f"The prompt is one of those of training ({rows} of {of} rows that were looked at have it)."

    def _decoding(self) -> str:
        drawn = self.decoding
        if drawn is None or not drawn.temperature:
            return "Decoding is greedy; training drew no responses of its own."
        return (
            f"Decoding is that of training: temperature {drawn.temperature:g}, top-p {drawn.top_p:g}, top-k {drawn.top_k}, at "
            f"most {drawn.max_new_tokens} tokens."
        )

    @property
    def _example(self) -> Example:
        """The example, if it is short enough for a card."""
        if self.example is not None and len(repr(self.example.row)) <= _LONGEST_PROMPT:
            return self.example
        media = self.example.media if self.example is not None else dict.fromkeys(self.media[:1], 1)
        return Example(
            {"prompt": [{"role": "user", "content": PROMPT if media.get("video") else "Hello."}]}, media
        )

    def _source(self) -> str:
        return self.hub_id or "."

    def _origin(self) -> str:
        what = "An adapter of" if self.adapter else "A fine-tuned form of"
        if not self.base:
            return (
                "An adapter."
                if self.adapter
                else "A model whose weights came from memory, not from a named checkpoint."
            )
        if self.base_on_hub:
            return f"{what} [{self.base}]({HUB}/{self.base})."
        # Not the whole path, which is nobody's business who reads the card.
        return f"{what} a local checkpoint, `{_last(self.base)}`."

    def _method(self) -> str:
        title, number = self.paper.get("title"), self.paper.get("id")
        if not title:
            return self.method
        return f"{self.method} ({f'[{title}]({HUB}/papers/{number})' if number else title})"

    def _data(self) -> str:
        if not self.dataset:
            return "Its dataset has no name that this card knows."
        if (name := hub_dataset(self.dataset)) is not None:
            return f"Its dataset is [{name}]({HUB}/datasets/{name})."
        local = os.path.exists(self.dataset) or self.dataset.lower().endswith(DATA_ENDINGS)
        return f"Its dataset is {'a local one, ' if local else 'called '}`{_last(self.dataset)}`."


def hub_dataset(name: str | None) -> str | None:
    """The name, if it is one of a dataset on the Hub ("owner/name"); None for a file, a folder, or no such name.

    >>> hub_dataset("trl-lib/rlaif-v"), hub_dataset("rows/pairs.jsonl"), hub_dataset("pairs")
    ('trl-lib/rlaif-v', None, None)
    """
    if not name or os.path.exists(name) or name.lower().endswith(DATA_ENDINGS):
        return None
    return name if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) else None


def _last(path: str) -> str:
    """The last part of a path."""
    return os.path.basename(os.path.normpath(path)) or path


def _files(kind: str, count: int) -> list[str]:
    if count == 1:
        return [FILES[kind]]
    stem, ending = os.path.splitext(FILES[kind])
    return [f"{stem}{number}{ending}" for number in range(1, count + 1)]


def _call(name: str, settings: Any, *, shown: tuple[str, ...] = ()) -> str:
    """The call that makes these settings, without those that are the defaults. shown: which are written even so."""
    if settings is None:
        return f"{name}()"
    own = [(one.name, getattr(settings, one.name)) for one in fields(settings)]
    plain = type(settings)()
    given = [f"{key}={value!r}" for key, value in own if key in shown or value != getattr(plain, key)]
    return f"{name}({', '.join(given)})"


def _literal(value: Any) -> str:
    return pformat(value, width=100, sort_dicts=False)


def _number(value: float) -> str:
    return f"{value:.4g}"
