"""What a name on the Hub stands for."""

from __future__ import annotations

import os
import re

_FILES = ("config.json", "adapter_config.json")


def commit_of(name: str, revision: str | None = None) -> str | None:
    """The commit of a model that was loaded from the Hub, by where its files lie in the Hub's cache.

    Args:
        name: of the model, "owner/name".
        revision: branch, tag or commit that it was loaded at; default "main".

    Returns:
        40 hexadecimal digits; None for a folder, and for what is not in the cache.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if os.path.isdir(name):
        return None
    try:
        found = [try_to_load_from_cache(name, file, revision=revision) for file in _FILES]
    except HFValidationError:  # a path
        return None
    commits = [re.search(r"snapshots/([0-9a-f]{40})/", path) for path in found if isinstance(path, str)]
    return next((commit[1] for commit in commits if commit), None)
