"""Commands that the program names in its texts exist, and next steps are marked."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ftl.cli.next_step import with_target
from ftl.cli.options import Options
from ftl.config.read.compose_keys import BUILD_HINTS, DEPLOY_HINTS, SERVICE_HINTS
from tests.harness import ROOT
from tests.support.pages import arguments
from tests.unit.docs.test_pages import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = ROOT / "src" / "ftl"

_NAMED = re.compile(r"`(ftl [^`]*)`|\| (ftl [^`]*)`")
_MAKERS = ("ftl", "bare_ftl")

PROSE = ("onboarding/", "config/models/", "config/read/compose_keys.py", "cli/overview.py")
"""Where literals describe the program, or are written into files: no next steps of a call."""

MENTIONS = (
    "another `ftl secrets` is changing ",
    "another `ftl sandbox` command is working on the sandbox ",
    "another `ftl setup` is running on ",
    "which `ftl build` pushes to",
    "which `ftl setup` does not support",
    "and `ftl setup` does not support it",
    "`ftl scale` had set ",
    "`ftl setup` prepares a server that is reached over SSH",
    "`ftl setup` prepares all `servers`",
    "`ftl setup` would ",
    "`ftl setup` without `--recover` adds and removes servers",
    "lets `ftl setup` do that on the server",
    "`ftl WORD` did not finish",
    "`ftl servers drain WORD` in that project",
)
"""Sentences about a command that are no next step of the call: what runs, what a command does, another project's."""


class Text(NamedTuple):
    """A literal of the sources, WORD in place of what a call puts into it."""

    place: str
    value: str
    marked: bool
    documents: bool


def _literal(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(
                str(value.value) if isinstance(value, ast.Constant) else _inserted(value) for value in values
            )
    return None


def _inserted(node: ast.expr) -> str:
    """What stands for an expression in an f-string; nothing for a marked command, which is read by itself."""
    is_marked = isinstance(node, ast.FormattedValue) and _is_maker(node.value)
    return "" if is_marked else "WORD"


def _is_maker(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS


def _texts(node: ast.AST, file: Path, *, marked: bool = False, documents: bool = False) -> Iterator[Text]:
    if isinstance(node, ast.expr) and (value := _literal(node)) is not None:
        place = f"{file.relative_to(SOURCES)}:{node.lineno}"
        yield Text(place, value, marked, documents)
    marked = marked or _is_maker(node)
    documents = (
        documents or isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "help")
    )
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            statement = isinstance(node, ast.Expr) and not isinstance(child, ast.Constant)
            yield from _texts(child, file, marked=marked, documents=documents and not statement)


def texts() -> list[Text]:
    """All literals of the program."""
    files = sorted(SOURCES.rglob("*.py"))
    return [text for file in files for text in _texts(ast.parse(file.read_text()), file)]


TEXTS = texts()


def calls(text: Text) -> list[str]:
    """The command lines of `ftl` that a literal names."""
    if text.marked:
        return [f"ftl {text.value}"]
    return [first or second for first, second in _NAMED.findall(text.value)]


def test_every_command_that_a_text_names_exists() -> None:
    """With its options: whoever copies it must not be refused."""
    found = [(text.place, call) for text in TEXTS for call in calls(text) if not call.startswith("ftl WORD")]
    assert len(found) > 250
    assert [
        (place, call, why) for place, call in found if (why := refusal(arguments(call), partial=True))
    ] == []


def test_every_next_step_is_marked() -> None:
    """What is not would be printed without the environment and the server of the call."""
    unmarked = [
        (text.place, text.value)
        for text in TEXTS
        if calls(text)
        and text.place.partition(":")[0] != "common/next_step.py"
        and not (text.marked or text.documents or text.place.startswith(PROSE))
        and not any(mention in text.value for mention in MENTIONS)
    ]
    assert unmarked == []


def test_a_preview_is_told_of_its_own_options() -> None:
    """`ftl deploy --x` becomes `ftl preview up NAME --x`; a plan of a preview does not name an option that lacks."""
    deploys = {text.value for text in TEXTS if text.marked and text.value.startswith("deploy -")}
    shown = {words: with_target(words, Options(env="preview/x")) for words in deploys}
    refused = {words for words, command in shown.items() if not command.startswith("preview up x -")}
    assert refused == {"deploy --adopt", "deploy --upgrade-proxy"}


@pytest.mark.parametrize("mention", MENTIONS)
def test_every_exception_is_needed(mention: str) -> None:
    """A sentence that is gone must not excuse another one."""
    assert any(mention in text.value for text in TEXTS)


def test_texts_that_files_are_written_from_have_no_marks() -> None:
    """`ftl init --from` writes the hints for keys of Compose into the new ftl.yaml."""
    hints = [*SERVICE_HINTS.values(), *BUILD_HINTS.values(), *DEPLOY_HINTS.values()]
    assert any("`ftl " in hint for hint in hints)
    assert all(hint.isprintable() for hint in hints)
