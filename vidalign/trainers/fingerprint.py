"""Reference log-probs that TRL computes beforehand and keeps on the disk: what they depend on, and where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

from accelerate.utils import broadcast_object_list
from datasets import is_caching_enabled
from datasets.fingerprint import Hasher, get_temporary_cache_files_directory

from vidalign.encoding.keys import COLUMNS, KINDS, content_key, sources
from vidalign.provenance import versions
from vidalign.rows import MediaFolder

# Of what a log-prob depends on, TRL's own key has the rows and the model's tensors alone.
_LIBRARIES = (
    "vidalign",
    "trl",
    "transformers",
    "tokenizers",
    "torch",
    "torchvision",
    "av",
    "pillow",
    "numpy",
)
_SETTINGS = (
    "share_prefix",
    "prefix_attention",
    "disable_dropout",
    "ld_alpha",
    "max_length",
    "truncation_mode",
    "tf32",
)
_PROVENANCE = ("_name_or_path", "base_model_name_or_path", "transformers_version")
_THREADS = 8
_CHUNK = 256  # rows in memory at a time: they may hold the files themselves


def reference_fingerprint(
    dataset: Any, *, collator: Any, reference: Any, args: Any, folder: MediaFolder, precision: str
) -> str:
    """Changes with all that a reference log-prob depends on beside the weights.

    These are the rows; the content of each media file and how it is read; the processor or tokenizer with its chat
    template; how rows are cut; the reference's config and the type it computes in; and the libraries' versions.

    Args:
        dataset: a `datasets.Dataset`, of TRL's token rows or of rows with media.
        collator: what makes batches of them.
        reference: the model that gives the log-probs.
        args: the trainer's.
        folder: where the media are, for a collator that does not say.
        precision: what the forward is cast to, by accelerate's name.
    """
    hasher = Hasher()
    hasher.update(dataset._fingerprint)
    hasher.update(versions(_LIBRARIES))
    hasher.update([(name, getattr(args, name, None)) for name in _SETTINGS])
    hasher.update(
        (precision, str(reference.dtype), _attention(reference.config), _settings(reference.config))
    )
    adapters = getattr(reference, "peft_config", {})
    if "ref" in adapters:
        hasher.update(_settings(adapters["ref"]))
    encoder = getattr(collator, "encoder", None)
    if encoder is None:
        hasher.update(collator)
    else:
        own = {name: value for name, value in vars(collator).items() if name != "encoder"}
        hasher.update((type(collator).__qualname__, own, encoder.reading))
        hasher.update(encoder.processor)
        folder = encoder.folder
    for key in _contents(dataset, folder):
        hasher.update(key)
    return hasher.hexdigest()


def lay_down(dataset: Any, output_dir: str) -> None:
    """Tells a dataset without a file of its own where its log-probs are to lie: `datasets` would give each process
    another folder and another name, while one process writes and all read.

    They lie beside the checkpoints, so that a resumed run finds them; where `datasets` is told to keep nothing, in a folder
    that goes with the first process.
    """
    if dataset.cache_files and is_caching_enabled():
        return
    # Uploads of the output folder leave out what begins with an underscore.
    keep = is_caching_enabled()
    folder = [
        os.path.join(os.path.abspath(output_dir), "_reference")
        if keep
        else get_temporary_cache_files_directory()
    ]
    broadcast_object_list(folder)
    os.makedirs(folder[0], exist_ok=True)
    dataset._get_cache_file_path = partial(_path, folder[0])


def _path(folder: str, fingerprint: str) -> str:
    return os.path.join(folder, f"cache-{fingerprint}.arrow")


def _contents(dataset: Any, folder: MediaFolder) -> Iterator[str]:
    """Keys of the media of each row, in order."""
    columns = [column for column in COLUMNS if column in dataset.column_names]
    rows = iter(dataset.select_columns(columns)) if columns else iter(())
    with ThreadPoolExecutor(_THREADS) as pool:
        while chunk := list(islice(rows, _CHUNK)):
            yield from pool.map(partial(_content, folder), chunk)


def _content(folder: MediaFolder, row: Mapping[str, Any]) -> str:
    return " ".join(content_key(kind, source) for kind in KINDS for source in sources(row, kind, folder))


def _attention(config: Any) -> list[str | None]:
    """Of a config and its parts."""
    parts = [getattr(config, name, None) for name in getattr(config, "sub_configs", {})]
    return [getattr(part, "_attn_implementation", None) for part in (config, *parts) if part is not None]


def _settings(config: Any) -> Any:
    """A config without where it was loaded from and by whom it was written."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(item) for name, item in value.items() if name not in _PROVENANCE}
        return value

    return plain(config.to_dict())
