"""A documented function -> the parser of its command: options from its signature, their help from its docstring."""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ActionYesNo, ArgumentParser, DefaultHelpFormatter, Namespace

_OPTION = re.compile(r"(--[A-Za-z][\w-]*)(=.*)?", re.DOTALL)
_TEXTS = (str, os.PathLike)


class FunctionParser(ArgumentParser):
    """The command line of a function, and of dataclasses that say how it runs.

    Required parameters that are not keyword-only are positional. An option can be given with dashes or underscores, and each
    value in a YAML file as well (`--config FILE`), of which a later one stands above an earlier one and the command line above
    all. Abbreviations are not taken. A parameter that takes text or objects takes text here; one that takes several texts is
    given several times, or as a list in YAML.

    Args:
        function: documented as Google's style has it.
        prog: the command as it is called.
        settings: dataclasses whose fields are options too.
        skip: parameters and fields that are none.
        epilog: the end of the help.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        prog: str,
        *,
        settings: Sequence[type] = (),
        skip: Iterable[str] = (),
        epilog: str = "",
    ) -> None:
        self._hints: dict[str, Any] = {}  # of the source that is being added
        self._types: dict[str, Any] = {}  # as values are given, by name
        super().__init__(
            prog=prog,
            description=_about(function),
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_Help,
            print_config=None,
        )
        self.function, self._file = function, ""
        skipped = set(skip)
        self._add_from(function, skipped, self.add_function_arguments, as_positional=True)
        for kind in settings:
            self._add_from(kind, skipped, self.add_class_arguments)
        self.add_further()
        self.add_argument(
            "--config",
            action="append",
            metavar="FILE",
            help="a YAML file with any of these as `key: value`; what is given here stands above it",
        )
        self.add_argument(
            "--print-config", action="store_true", help="print what is given as such a file, and stop"
        )
        # Looked at when files and command line are together.
        self.required = [action for action in self._actions if action.required]
        for action in self.required:
            action.required = False
        positional = [str(action.metavar) for action in self._actions if not action.option_strings]
        needed = [f"--{_dashed(a.dest)} {a.metavar}" for a in self.required if a.option_strings]
        self.usage = " ".join([prog, *positional, *needed, "[options]"])

    def _add_from(self, source: Any, skipped: set[str], add: Callable[..., Any], **how: Any) -> None:
        self._hints = get_type_hints(source)
        add(source, as_group=False, skip=skipped & set(inspect.signature(source).parameters), **how)
        self._hints = {}

    def add_further(self) -> None:
        """Adds options that are no parameters."""

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        parser = getattr(self, "parser", self)  # jsonargparse gives this method to its groups as well
        name = args[0].lstrip("-")
        if name not in parser._hints:
            return super().add_argument(*args, **kwargs)
        kwargs.pop("action", None)
        kwargs["type"] = parser._types[name] = hint = _of_text(parser._hints[name])
        kwargs["metavar"] = name.upper()
        if hint is bool:
            del kwargs["type"], kwargs["metavar"]
            kwargs["action"] = ActionYesNo(no_prefix="no-")
        elif isinstance(kwargs.get("default"), tuple):
            kwargs["default"] = list(kwargs["default"])
        action = super().add_argument(_dashed(args[0]) if args[0] != name else name, **kwargs)
        # jsonargparse's `--name+` for one more of a list: here a name that is given again does that.
        action.option_strings = [name for name in action.option_strings if not name.endswith("+")]
        return action

    # Reading

    def parse(self, args: Sequence[str]) -> Namespace:
        """What is given on the command line, above the files that it names.

        Raises:
            SystemExit: 2 with a message, or 0 after `--help` or `--print-config`.
        """
        files, rest = self._split(args)
        given = Namespace()
        for file in files:
            given.update(self.parse_object(self.read(file), namespace=given, defaults=False))
            self._file = ""
        parsed = self.parse_args(rest, namespace=given)
        if parsed.print_config:
            print(self.as_yaml(parsed), end="")
            self.exit(0)
        missing = [
            f"--{_dashed(action.dest)}" if action.option_strings else str(action.metavar)
            for action in self.required
            if parsed.get(action.dest) is None
        ]
        if missing:
            self.error(f"the following arguments are required: {', '.join(missing)}")
        return parsed

    def _split(self, args: Sequence[str]) -> tuple[list[str], list[str]]:
        """The files of `--config`, and the other words: options with dashes, those of several texts as one list."""
        lists = {f"--{_dashed(name)}" for name in self._lists()}
        files: list[str] = []
        several: dict[str, list[str]] = {}
        words, rest = iter(args), []
        for word in words:
            found = _OPTION.fullmatch(word)
            if word == "--":
                rest += [word, *words]
            elif found is None:
                rest.append(word)
            else:
                name, value = _dashed(found[1]), found[2]
                if name != "--config" and name not in lists:
                    rest.append(name + (value or ""))
                    continue
                text = value[1:] if value is not None else next(words, None)
                if text is None or (value is None and _OPTION.fullmatch(text)):
                    self.error(f"argument {name}: expected one argument")
                if name == "--config":
                    files.append(text)
                else:
                    several.setdefault(name, []).append(text)
        return files, [*(f"{name}={json.dumps(texts)}" for name, texts in several.items()), *rest]

    def read(self, file: str) -> dict[str, Any]:
        """The values of a file, by the names of the parser's values."""
        self._file = file
        try:
            given = yaml.safe_load(Path(file).expanduser().read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            self.error(f"it cannot be read: {error}")
        except yaml.YAMLError as error:
            self.error(f"it is not YAML: {' '.join(str(error).split())}")
        if not isinstance(given, dict):
            self.error("it must hold keys and values, one `key: value` a line")
        known = self.keys()
        values: dict[str, Any] = {}
        for key, value in given.items():
            name = str(key).replace("-", "_")
            if name not in known:
                self.error(f"unknown key {str(key)!r}{_nearest(name, known)}; known are {', '.join(known)}")
            if value is not None:  # as if it were not there
                values[name] = value
        return self.values_of(values)

    def keys(self) -> list[str]:
        """What a file can hold."""
        return list(self._types)

    def values_of(self, given: dict[str, Any]) -> dict[str, Any]:
        """The values of a file, by key -> by the names of the parser's values."""
        for name, value in given.items():
            # jsonargparse's message does not say which.
            if self._types[name] is bool and not isinstance(value, bool):
                self.error(f"{name}: {value!r} is not {_kind(bool)}")
        lists = self._lists()
        return {
            name: [value] if name in lists and isinstance(value, str) else value
            for name, value in given.items()
        }

    def _lists(self) -> set[str]:
        return {name for name, kind in self._types.items() if get_origin(kind) is list}

    # Writing

    def as_yaml(self, parsed: Namespace) -> str:
        """What was given and what is default, as a file for `--config`."""
        return yaml.safe_dump(self.given(parsed), sort_keys=False, allow_unicode=True, width=1000)

    def given(self, parsed: Namespace) -> dict[str, Any]:
        """As `values_of` takes it."""
        return {key: parsed.get(key) for key in self.keys()}

    def arguments(self, parsed: Namespace) -> dict[str, Any]:
        """Those of the function."""
        return self._of(self.function, parsed)

    def setting(self, kind: type, parsed: Namespace, **further: Any) -> Any:
        """One of `settings`, made."""
        return kind(**self._of(kind, parsed), **further)

    def _of(self, source: Any, parsed: Namespace) -> dict[str, Any]:
        return {name: parsed[name] for name in inspect.signature(source).parameters if name in self._types}

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        self.exit(2, f"{self.prog}: {f'{self._file}: ' if self._file else ''}{self._plain(message)}\n")

    def _plain(self, message: str) -> str:
        """jsonargparse's message as one line, in the words of a command line."""
        options = [name for action in self._actions for name in action.option_strings]
        if unknown := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            return f"{message}{_nearest(unknown[1], options)} (--help has them all)"
        if (found := re.match(r'Parser key "(\w+)":(.*)', message, re.DOTALL)) is None:
            return " ".join(message.split())
        key, said = found[1], " ".join(found[2].split())
        name = key if self._file or f"--{_dashed(key)}" not in options else f"--{_dashed(key)}"
        wanted = self._types.get(key)
        value = re.search(r"(?:Got value|Given value): ?(.*)$", said)
        if wanted is None or value is None:
            return f"{name}: {said}"
        return f"{name}: {value[1]!r} is not {_kind(wanted)}"


class _Help(DefaultHelpFormatter):
    """Without types, and without defaults that say nothing."""

    def _get_help_string(self, action: argparse.Action) -> str:
        shown = action.default
        if (
            not action.option_strings
            or shown in (None, argparse.SUPPRESS, "")
            or shown is False
            or shown == []
        ):
            return action.help or ""
        if isinstance(shown, list):
            shown = ", ".join(shown)
        return f"{action.help} (default: {'yes' if shown is True else shown})"


def _about(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").split("\n\n")[0]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _of_text(hint: Any) -> Any:
    """The type as it can be given in words: text where text is taken, a list of texts for several."""
    parts = _parts(hint)
    optional = type(None) in parts
    if any(part in _TEXTS or get_origin(part) in _TEXTS for part in parts):
        return str | None if optional else str
    for part in parts:
        if get_args(part)[:1] == (str,) and issubclass(get_origin(part) or int, Iterable):
            return list[str]
    return hint


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, type(int | str)) else (hint,)


def _kind(hint: Any) -> str:
    """A type in words."""
    words: Mapping[Any, str] = {int: "a whole number", float: "a number", str: "text", bool: "yes or no"}
    said = []
    for part in _parts(hint):
        if part is type(None):
            continue
        choices = [str(choice) for choice in get_args(part) if isinstance(choice, str)]
        if choices:
            said.append(f"one of {', '.join(choices)}")
        else:
            said.append(words.get(part) or ("a list of texts" if get_origin(part) is list else str(part)))
    return " or ".join(said)
