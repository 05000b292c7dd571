"""Modules and classes that pages about the code name."""

from __future__ import annotations

import ast
import re
from functools import cache
from textwrap import dedent
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
    "BuildKit",
}  # of OpenSSH, Python and Docker
FOLDERS = ("src", "tests", "lab", "bench", "tools", "examples")

_INDENTED = re.compile(r"^ {4}.*$", re.MULTILINE)
_CAMEL = re.compile(r"(?<![\w.-])[A-Z][a-z]+(?:[A-Z][a-z]+)+(?![\w-])")
_PYTHON = re.compile(r"^( *)```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
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


@cache
def _definitions() -> set[str]:
    """Classes and functions of the program, without comments and without where they are."""
    trees = (ast.parse(path.read_text()) for path in (ROOT / "src").rglob("*.py"))
    defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {ast.unparse(node) for tree in trees for node in tree.body if isinstance(node, defined)}


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
    blocks = "\n".join([*_FENCED.findall(page.read_text()), *_INDENTED.findall(text)])
    for name in {*_CLASS.findall(text), *_CAMEL.findall(blocks)} - FOREIGN:
        assert re.search(rf"\bclass {name}\b|\b{name} = ", _code()), name


def test_code_that_contributors_are_shown_is_that_of_the_program() -> None:
    """Each class and function of CONTRIBUTING.md's blocks of Python is the program's, but for comments."""
    blocks = [dedent(block) for _, block in _PYTHON.findall((ROOT / "CONTRIBUTING.md").read_text())]
    shown = [ast.unparse(node) for block in blocks for node in ast.parse(block).body]
    assert shown
    assert [each for each in shown if each not in _definitions()] == []
