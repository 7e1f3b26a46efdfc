"""What README and docs say can be done: code compiles, commands parse, recipes, files, names and links exist."""

import ast
import doctest
import importlib
import inspect
import itertools
import json
import re
import shlex
import tomllib
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

import vidalign
from vidalign import cli
from vidalign.rows import MediaFolder, problem

ROOT = Path(vidalign.__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("benchmarks", "demo", "docs", "examples", "recipes", "tests", "vidalign")
PAPERS = {name.split("/")[0] for name in cli.recipe_names()}
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def blocks(page, *languages):
    return [text for language, text in FENCE.findall(page.read_text("utf-8")) if language in languages]


def prose(page):
    return FENCE.sub("", page.read_text("utf-8"))


def spans(page):
    return re.findall(r"`([^`\n]+)`", prose(page))


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@every_page
def test_blocks_are_of_a_kind_that_is_checked(page):
    known = {"python", "pycon", "json", "yaml", "sh", "text"}
    assert {language for language, _ in FENCE.findall(page.read_text("utf-8"))} <= known


# --- code -----------------------------------------------------------------------------------------------------------


@every_page
def test_python_compiles_and_calls_what_there_is(page):
    for source in blocks(page, "python"):
        wrong_calls(compile(source, str(page), "exec", ast.PyCF_ONLY_AST))


def wrong_calls(tree):
    """Imports of vidalign, and keywords of calls of what was imported, are looked up."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "vidalign":
            module = importlib.import_module(node.module)
            known |= {alias.name: getattr(module, alias.name) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            parameters = inspect.signature(known[node.func.id]).parameters
            if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
                given = {keyword.arg for keyword in node.keywords}
                assert given <= set(parameters), f"{node.func.id} has no {given - set(parameters)}"


def test_a_call_that_cannot_be_is_seen():
    with pytest.raises(AssertionError, match=r"SynPOConfig has no \{'video_frames'\}"):
        wrong_calls(
            ast.parse("from vidalign import SynPOConfig\nSynPOConfig(output_dir='out', video_frames=8)")
        )


@every_page
def test_sessions_hold(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDALIGN_JUDGE", raising=False)
    told = []
    runner = doctest.DocTestRunner()
    for source in blocks(page, "pycon"):
        test = doctest.DocTestParser().get_doctest(source, {}, page.name, str(page), 0)
        assert test.examples
        runner.run(test, out=told.append)
    assert runner.failures == 0, "".join(told)


@every_page
def test_rows_are_rows(page):
    for line in "".join(blocks(page, "json")).splitlines():
        row = json.loads(line)
        if "messages" in row:
            row |= {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}
        if row.keys() & {"ranked", "prompts"}:
            kind = "ranked"
        else:
            kind = next(
                (k for k, c in (("preference", "chosen"), ("supervised", "completion")) if c in row), "online"
            )
        # The videos are the reader's.
        assert problem({**row, "videos": None}, kind, MediaFolder()) is None, line


@every_page
def test_settings_are_trl_s_or_a_build_s(page, tmp_path):
    def write(text):
        (tmp_path / "build.yaml").write_text(text)
        return str(tmp_path / "build.yaml")

    for text in blocks(page, "yaml"):
        if of_build := re.match(r"# vidalign build ([\w-]+)", text):
            check_vidalign(["build", of_build[1], "--config", write(text)])
        else:
            assert {f"--{key}" for key in yaml.safe_load(text)} <= options_of("grpo")


# --- commands -------------------------------------------------------------------------------------------------------


@lru_cache
def options_of(method):
    from vidalign.trainers.online.reward_names import RewardArguments
    from vidalign.trainers.script import RecipeArguments, parser

    module = importlib.import_module(f"vidalign.trainers.{method}")
    [config] = [
        value
        for name, value in vars(module).items()
        if name.endswith("Config") and value.__module__ == module.__name__
    ]
    script = RewardArguments if method == "grpo" else RecipeArguments
    return set(parser(config, script)._option_string_actions)


def refuse_unknown(words, method):
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    unknown = given - {"--config"} - options_of(method)
    assert not unknown, f"{method} has no {unknown}"


def check_vidalign(words):
    try:
        args, rest = cli.parser().parse_known_args(words)
    except SystemExit as stop:
        if stop.code == 0:  # it has printed what was asked for
            return
        raise AssertionError(f"vidalign {shlex.join(words)} does not parse") from None
    if args.command == "train":
        command = cli.launch_command(args.recipe, args.accelerate or "cpu", args.num_processes, rest)
        refuse_unknown(rest, command[command.index("-m", 3) + 1].rpartition(".")[2])
        return
    assert not rest, f"unknown: {rest}"
    if args.command == "recipes" and args.name:
        cli.find_yaml(args.name, cli.RECIPES, cli.recipe_names(), "a recipe")


def check_accelerate(words):
    assert words[0] == "launch"
    at = words.index("-m")
    command = {"vidalign.generate": "caption", "vidalign.data": "build"}.get(words[at + 1])
    if command is not None:
        assert (ROOT / words[words.index("--config_file") + 1]).is_file()
        check_vidalign([command, *words[at + 2 :]])
        return
    method = words[at + 1].removeprefix("vidalign.trainers.")
    assert method in cli.METHODS
    assert (ROOT / words[words.index("--config_file") + 1]).is_file()
    assert (ROOT / words[words.index("--config") + 1]).is_file()
    refuse_unknown(words[at + 2 :], method)


def check_make(words):
    for word in words:
        name, assigned, _ = word.partition("=")
        found = rf"^{name} \?=" if assigned else rf"^{name}:"
        assert re.search(found, MAKEFILE, re.MULTILINE), f"make has no {name}"


def check_python(words):
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1])
    else:
        assert (ROOT / words[0]).is_file()


def check_pip(words):
    assert words[0] == "install"
    for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
        assert extra in EXTRAS
    for file in re.findall(r"-c (\S+)", " ".join(words)):
        assert (ROOT / file).is_file()


def check_trl(words):
    assert words[0] == "grpo"
    refuse_unknown(words, "grpo")


PROGRAMS = {
    "accelerate": check_accelerate,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "trl": check_trl,
    "vidalign": check_vidalign,
    "bash": lambda words: (ROOT / words[0]).is_file() or pytest.fail(f"no {words[0]}"),
    "cat": lambda words: None,
    "pre-commit": lambda words: None,
}


def check_command(line):
    words = shlex.split(line, comments=True)
    words = words[: words.index(">")] if ">" in words else words
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words:
        assert words[0] in PROGRAMS, f"{words[0]}: not a command that is looked at"
        PROGRAMS[words[0]](words[1:])


@every_page
def test_commands_parse(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in blocks(page, "yaml"):
        if text.startswith("# vidalign build"):
            Path("build.yaml").write_text(text)
    for line in "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines():
        check_command(line)


@every_page
def test_commands_in_the_text_exist(page):
    for span in spans(page):
        words = span.split()
        if words[0] == "make" and len(words) > 1 and "|" not in words:
            check_command(span)
        elif words[0] == "vidalign" and len(words) > 1:
            help_of = (
                ["--help"]
                if words[1] != "build" or len(words) < 3 or words[2].isupper()
                else [words[2], "--help"]
            )
            with pytest.raises(SystemExit) as stop:
                cli.parser().parse_args([words[1], *help_of])
            assert stop.value.code == 0, span
        elif words[0] == "pip":
            check_command(span)


@pytest.mark.parametrize(
    "line",
    [
        "vidalign build chain captions.jsonl out",
        "vidalign build chains captions.jsonl out --jugde x",
        "vidalign train toyworld/spo",
        "vidalign train toyworld/synpo --learning_rates 1",
        "vidalign recipes synpo/qwen",
        "accelerate launch --config_file recipes/accelerate/ddp.yaml -m vidalign.trainers.synpo --config recipes/synpo/x.yaml",
        "make everything",
        "pip install '.[all_of_it]'",
        "python examples/none.py",
        "trl grpo --config x.yaml --beta_ 1",
        "vidaling recipes",
    ],
)
def test_a_command_that_cannot_be_is_seen(line):
    with pytest.raises((AssertionError, cli.CliError)):
        check_command(line)


# --- what is named --------------------------------------------------------------------------------------------------


def expanded(name):
    """`a_{b,c}` -> a_b, a_c."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return ["".join(choice) for choice in itertools.product(*parts)]


@every_page
def test_recipes_exist(page):
    for span in spans(page):
        found = re.fullmatch(r"(?:recipes/)?((\w+)/[\w{},]+)(?:\.yaml)?", span)
        if found and found[2] in PAPERS:
            assert set(expanded(found[1])) <= {*cli.recipe_names(), *cli.build_names()}, span


@every_page
def test_files_and_modules_exist(page):
    for span in spans(page):
        if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*", span):
            assert (ROOT / span).exists(), span
        if named := re.fullmatch(r"(vidalign(?:\.\w+)+)(?:\(.*\))?", span):
            assert exists(named[1]), span


def exists(path):
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name, None)
        return found is not None
    return False


def anchors(page):
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in titles}


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors(file), target


def test_all_rooms_are_shown():
    package = ROOT / "vidalign"
    rooms = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    rooms = (rooms | {"recipes"}) - {"__init__"}
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = page.split("\n| room |")[1].split("\n\n")[0]
    picture = (ROOT / "docs" / "images" / "rooms.svg").read_text("utf-8")
    assert rooms == {
        name for cell in re.findall(r"^\|(.+?)\|", table, re.MULTILINE) for name in re.findall(r"\w+", cell)
    }
    assert rooms <= set(re.findall(r">(\w+)</text>", picture))
