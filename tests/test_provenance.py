import subprocess
import sys
from pathlib import Path

import torch

import vidalign
from vidalign import provenance


def test_a_result_says_where_it_comes_from():
    facts = provenance.describe(("torch", "no-such-package"))
    assert facts["vidalign"].startswith(vidalign.__version__)
    assert f"torch {torch.__version__.split('+')[0]}" in facts["versions"]
    assert "no-such-package (not installed)" in facts["versions"]
    assert "cores" in facts["hardware"] and facts["time"].endswith("UTC")


def test_the_commit_is_that_of_the_package_and_of_nothing_around_it(tmp_path):
    """Installed into an environment in somebody's checkout, that checkout's commit would be a false one."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    package = tmp_path / "site-packages" / "vidalign"
    package.mkdir(parents=True)
    for name in ("provenance.py", "_version.py"):
        (package / name).write_text((Path(vidalign.__file__).parent / name).read_text())
    (package / "__init__.py").touch()
    code = "from vidalign.provenance import commit; print(commit())"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=package.parent, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "not a git checkout"
