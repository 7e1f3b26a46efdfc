"""Keeps the terminal for the demo's own lines."""

from __future__ import annotations

import logging
import warnings

import transformers
from datasets import disable_progress_bars
from transformers.utils.logging import disable_progress_bar


def quieten() -> None:
    """Silences what the libraries say of themselves, in this process."""
    transformers.logging.set_verbosity_error()
    disable_progress_bar()
    disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    # The pinned versions deprecate arguments of one another; nothing a reader of the demo can do about it.
    warnings.filterwarnings("ignore", category=FutureWarning)
