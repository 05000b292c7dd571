"""Modules and classes that pages about the code name."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.harness import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [
        ROOT / "CONTRIBUTING.md",
        ROOT / "docs/explanation/architecture.md",
        ROOT / "docs/explanation/glossary.md",
        *(ROOT / "docs/decisions").glob("*.md"),
    ]
)
FOREIGN = {
    "MaxSessions",
    "ConnectTimeout",
    "ControlPersist",
    "NamedTuple",
    "ServerAliveInterval",
}  # of OpenSSH and Python
FOLDERS = ("src", "tests", "lab", "bench", "tools", "examples")

_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"`([\w{},/-]+\.(?:py|sh|pl))`")
_CLASS = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)[`.(]")


def _stem(page: Path) -> str:
    return page.stem


@cache
def _paths() -> str:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*"))
    return "\n".join(f"/{path.relative_to(ROOT).as_posix()}" for path in found)


@cache
def _code() -> str:
    return "".join(path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=_stem)
def test_modules_and_classes_exist(page: Path) -> None:
    """A page names a module by the end of its path; X and NAME stand for any."""
    text = _FENCED.sub("", page.read_text())
    paths = _paths()
    for module in _MODULE.findall(text):
        if re.search(r"\b(X|NAME)\b", module):
            continue
        pattern = re.sub(r"\\\{([\w,\\]+)\\\}", lambda m: f"({m[1].replace(',', '|')})", re.escape(module))
        assert re.search(rf"/{pattern}$", paths, re.MULTILINE), module
    for name in {*_CLASS.findall(text)} - FOREIGN:
        assert re.search(rf"\bclass {name}\b|\b{name} = ", _code()), name
