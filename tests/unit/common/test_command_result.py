"""Results of commands: their text, and their failure as an error."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from ftl.child import Completed
from ftl.engine.values import ExecResult
from ftl.errors import ServerError
from tests.harness import ROOT

if TYPE_CHECKING:
    from ftl.common.command_result import CommandResult

BY_HAND = {"config/age/keys.py", "common/command_result.py"}
"""A child of the standard library, and the one place that decodes."""


@pytest.mark.parametrize(
    ("result", "complaint", "message"),
    [
        (ExecResult(1, b"out\n", b" first\nlast \n\n"), "last", "first\nlast"),
        (ExecResult(1, b"a secret\n", b"\n"), "status 1", "a secret"),
        (Completed(("true",), 3, b"", b"\xff"), "�", "�"),
    ],
)
def test_a_failure_is_told_by_stderr(result: CommandResult, complaint: str, message: str) -> None:
    """Its last line, or all of it; stdout only where it is asked for, since a password may be in it."""
    assert (result.complaint, result.message) == (complaint, message)
    with pytest.raises(ServerError, match="it failed") as caught:
        result.require("it failed", hint="look", error=ServerError)
    assert caught.value.cause == (result.error_text or complaint)
    assert caught.value.hint == "look"


def test_a_success_is_its_output() -> None:
    """So that a line can read it."""
    done = ExecResult(0, b"one\ntwo\n", b"a warning")
    assert done.require("it failed").lines == ["one", "two"]
    assert done.text == "one\ntwo\n"


def _is_output(value: ast.expr) -> bool:
    """Whether an expression is the whole output of a command; a stream is read by calls."""
    parts = list(ast.walk(value))
    return not any(isinstance(part, (ast.Call, ast.Await)) for part in parts) and any(
        isinstance(part, ast.Attribute) and part.attr in ("stdout", "stderr") for part in parts
    )


def test_no_module_decodes_output_by_hand() -> None:
    """Half of them forgot what to do with bytes that are no text."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "src/ftl").rglob("*.py"))
        if path.relative_to(ROOT / "src/ftl").as_posix() not in BY_HAND
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "decode" and _is_output(node.value)
    ]
    assert found == []
