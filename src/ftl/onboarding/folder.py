"""Bounded, cached look at the files of an app. Nothing outside of its folder is read."""

from __future__ import annotations

import errno
import json
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from ftl.common.files import read_small_file
from ftl.common.json_fields import parse_json
from ftl.errors import UsageError
from ftl.onboarding.variables.reading import variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl.onboarding.variables.variable import CodeVariable

_UNREADABLE = (errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO)
MAX_FILES = 2000
MAX_SOURCE_BYTES = 200_000
MAX_DEPTH = 5

_NOT_SOURCE = """
    node_modules vendor venv env dist build target __pycache__ tests test spec site-packages storage tmp
"""
NOT_SOURCE = frozenset(_NOT_SOURCE.split())
"""Folders that are no source of the app, besides those that begin with a dot."""

_SOURCES = (
    ".prisma .py .js .mjs .cjs .ts .tsx .jsx .vue .svelte .go .rb .php .java .kt .properties .yml .yaml"
)
_SOURCE = tuple(_SOURCES.split())
_SET_ELSEWHERE = """
    PATH HOME USER LOGNAME SHELL PWD OLDPWD HOSTNAME LANG LANGUAGE LC_ALL TZ TERM TMPDIR TMP TEMP PORT
    PYTHONPATH PYTHONUNBUFFERED VIRTUAL_ENV NODE_ENV RAILS_ENV RACK_ENV DJANGO_SETTINGS_MODULE
"""
SET_ELSEWHERE = frozenset(_SET_ELSEWHERE.split())
"""Variables of the system, the image or the framework: .env has no value for them."""


class AppFolder:
    """The files of one app; missing ones are empty texts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._texts: dict[str, str | None] = {}

    def __truediv__(self, name: str) -> AppFolder:
        return AppFolder(self.path / name)

    def has(self, *names: str) -> str | None:
        """The first of these files that exists."""
        return next((name for name in names if os.path.isfile(self.path / name)), None)  # noqa: PTH113 -- False if closed

    def has_folder(self, name: str) -> bool:
        """Whether it has this folder."""
        return (self.path / name).is_dir()

    def read(self, name: str) -> str:
        """Text of a file; empty if there is none.

        Raises:
            UsageError: It is there, and cannot be read: what is in it is not known.
        """
        if name not in self._texts:
            try:
                self._texts[name] = read_small_file(self.path / name).decode("utf-8-sig", "replace")
            except OSError as error:
                if error.errno in _UNREADABLE:
                    raise UsageError(
                        f"{self.path / name} cannot be read",
                        cause=error.strerror,
                        hint="`ftl init` decides by it",
                    ) from error
                self._texts[name] = None
        return self._texts[name] or ""

    def read_json(self, name: str) -> dict[str, object]:
        """Mapping in a JSON file; empty if there is no such file.

        Raises:
            UsageError: It is not JSON, or not a mapping.
        """
        text = self.read(name)
        if not text:
            return {}
        try:
            value = parse_json(text)
        except ValueError as error:
            place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
            raise UsageError(
                f"{name} is not valid JSON{place}",
                cause=str(error).partition(":")[0],
                hint="correct it, then run `ftl init` again",
            ) from None
        if not isinstance(value, dict):
            raise UsageError(f"{name} is not a JSON object", hint="it must begin with {")
        return value

    def read_toml(self, name: str) -> dict[str, object]:
        """Mapping in a TOML file; empty if there is no such file.

        Raises:
            UsageError: It is not TOML.
        """
        import tomllib

        try:
            return tomllib.loads(self.read(name))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise UsageError(
                f"{name} is not valid TOML", cause=str(error), hint="correct it, then run `ftl init` again"
            ) from None

    @cached_property
    def sources(self) -> dict[str, str]:
        """Texts of the app's source files, by path; the ones nearest to the top first."""
        return dict(self._texts_of(_SOURCE))

    def texts(self, more: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Texts of the source files and of those with other endings, the nearest to the top first.

        Args:
            more: The other endings.
        """
        return self._texts_of((*_SOURCE, *more))

    def _texts_of(self, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for name in sorted(self._walk(suffixes), key=lambda name: (name.count("/"), name)):
            if (text := self._source(name)) is not None:
                yield name, text

    def _source(self, name: str) -> str | None:
        """Text of one of many files: a closed one is none of the app's."""
        try:
            return self.read(name)
        except UsageError:
            return None

    def _walk(self, suffixes: tuple[str, ...]) -> Iterator[str]:
        """Names of source files; a very large folder is looked at in part."""
        seen = 0
        for parent, folders, names in os.walk(self.path):
            below = os.path.relpath(parent, self.path)
            depth = 0 if below == "." else below.count(os.sep) + 1
            folders[:] = sorted(
                folder for folder in folders if not folder.startswith(".") and folder not in NOT_SOURCE
            )
            if depth == MAX_DEPTH:
                folders.clear()
            for name in sorted(names):
                path = os.path.join(parent, name)  # noqa: PTH118
                is_script = "." not in name and os.path.basename(parent) == "bin"  # noqa: PTH119
                if not (is_script or name.endswith(suffixes)) or name.endswith((".min.js", ".d.ts")):
                    continue
                seen += 1
                if seen > MAX_FILES:
                    return
                if os.path.isfile(path) and os.path.getsize(path) <= MAX_SOURCE_BYTES:  # noqa: PTH113, PTH202
                    yield os.path.normpath(os.path.join(below, name)).replace(os.sep, "/")  # noqa: PTH118

    @cached_property
    def variables(self) -> dict[str, CodeVariable]:
        """Environment variables that the code reads, by name."""
        return variables_of(self.sources)

    def search(self, pattern: str, suffix: str = "") -> tuple[str, re.Match[str]] | None:
        """The first match of a regular expression in the sources, with its file."""
        regex = re.compile(pattern, re.MULTILINE)
        for name, text in self.sources.items():
            if name.endswith(suffix) and (match := regex.search(text)):
                return name, match
        return None


def demanded_variables(folder: AppFolder) -> dict[str, str]:
    """Variables that the code demands and nothing else sets, with the first file of each."""
    return {
        name: variable.demanded_by
        for name, variable in folder.variables.items()
        if variable.demanded_by and name not in SET_ELSEWHERE
    }


def demands_port(folder: AppFolder) -> str | None:
    """The first file whose code ends without PORT."""
    return folder.variables["PORT"].demanded_by or None if "PORT" in folder.variables else None
