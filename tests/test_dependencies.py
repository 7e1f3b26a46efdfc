"""What the package asks to be installed."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vidalign

PACKAGE = Path(vidalign.__file__).parent
ROOT = PACKAGE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NEEDED = [Requirement(text) for text in PROJECT["dependencies"]]
OPTIONAL = [Requirement(text) for extra in PROJECT["optional-dependencies"].values() for text in extra]

# Versions that must not be installed, with the reason.
BAD = [
    ("litellm", "1.82.7", "malicious, PYSEC-2026-2"),
    ("litellm", "1.82.8", "malicious, PYSEC-2026-2"),
    ("litellm", "1.83.6", "CVE-2026-42208"),
    ("litellm", "1.105.7", "does not say which models take video"),
    ("aiohttp", "3.13.2", "CVE-2025-69223"),
    ("pillow", "12.1.0", "CVE-2026-25990"),
    ("snowballstemmer", "3.0.0", "withdrawn"),
    ("torch", "2.5.1", "CVE-2025-32434"),
    ("tqdm", "4.66.2", "CVE-2024-34062"),
]


@pytest.mark.parametrize(("name", "version", "why"), BAD)
def test_no_version_that_is_known_to_be_bad_is_admitted(name, version, why):
    [needed] = [one for one in NEEDED if one.name == name]
    assert not needed.specifier.contains(version), why


@pytest.mark.parametrize("needed", NEEDED, ids=str)
def test_every_dependency_has_a_floor(needed):
    assert any(one.operator in (">=", "==", "~=") for one in needed.specifier)


def test_every_constraint_is_admitted():
    pins = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    )
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for needed in NEEDED:
        version = pins[canonicalize_name(needed.name)]
        assert needed.specifier.contains(version, prereleases=True), f"{needed} does not admit {version}"


def imported():
    """Top-level modules outside the standard library, with the first file that imports each."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], path.relative_to(PACKAGE))
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, "vidalign"}}


def test_everything_that_is_imported_is_asked_for():
    asked = {canonicalize_name(one.name) for one in [*NEEDED, *OPTIONAL]}
    owners = packages_distributions()
    for name, path in imported().items():
        distributions = {canonicalize_name(owner) for owner in owners.get(name, [name.replace("_", "-")])}
        assert distributions & asked, f"{path} imports {name}, of {distributions}"
