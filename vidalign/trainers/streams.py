"""Streams (`datasets.IterableDataset`): slices of one to train on, the whole of it to evaluate on.

accelerate 1.15 reads a stream in one process, concatenates the processes' batches and cuts every tensor of the result by
its number of rows: media, which come once a prompt, and pairs, whose rejected rows stand behind the chosen ones, come out
wrong or not at all. `dispatch_batches=False`, which TRL sets for streams to train on, leaves batches whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset, Image, IterableDataset

from vidalign.trainers.undecoded import undecoded


def as_table(dataset: Any, name: str) -> Any:
    """A stream's rows, read once, as a data set with numbered rows; anything else as it is.

    An evaluation reads all rows, each time. As a table they are looked through before training as others are, are dealt
    out to processes and workers as others are, and weigh the same where the last batch is a smaller one.

    Raises:
        ValueError: a stream without rows.
    """
    if not isinstance(dataset, IterableDataset):
        return dataset
    features = dataset.features
    dataset = undecoded(dataset)
    for column, feature in (features or {}).items():
        if isinstance(feature, Image) and feature.decode:  # files stay as they are until they are seen
            dataset = dataset.cast_column(column, Image(decode=False))
    rows = list(dataset)
    if not rows:
        raise ValueError(f"the {name} dataset is a stream that yields no rows; leave it out, or give it some")
    return Dataset.from_list(rows, features=features)


class UnshardedStream(torch.utils.data.IterableDataset):
    """A stream to train on, read by each process as a whole, of which it keeps its rows of each batch.

    Of a `datasets` stream accelerate gives each process some of the files instead: processes then run out of rows at
    different steps, and wait for each other for ever, and a prompt's completions in GRPO are not those of one batch.
    """

    def __init__(self, stream: IterableDataset) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Any]:
        return iter(self.stream)

    def set_epoch(self, epoch: int) -> None:
        """Order of the rows, where the stream is shuffled."""
        self.stream.set_epoch(epoch)
