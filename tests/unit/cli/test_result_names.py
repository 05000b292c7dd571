"""The `command` of a result: one name for each command, whether it succeeded or not."""

from __future__ import annotations

import ast
import inspect
import json
from typing import TYPE_CHECKING

import click
import pytest

from ftl.cli.app import cli
from ftl.cli.commands.deploy import make_release
from ftl.cli.failure import report_and_exit_code, result_name
from ftl.cli.options import Options
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = ("run", "run_sync", "run_live", "run_attached", "make_release")
PRINTS = ("completion script",)
"""Commands that print what they print, also with --json."""


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command that can be called, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        words = f"{path} {name}".strip()
        if isinstance(found, click.Group):
            yield from commands(found, words)
        if not isinstance(found, click.Group) or found.invoke_without_command:
            yield words, found


COMMANDS = dict(commands(cli))


def names_on_success(module: object) -> set[str]:
    """The names that a module gives the results of its commands."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in RUNS]
    given = [
        argument
        for call in named
        for argument in (*call.args[:2], *(each.value for each in call.keywords if each.arg == "command"))
    ]
    return {one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)}


@pytest.mark.parametrize("words", sorted({*COMMANDS} - {*PRINTS}))
def test_a_command_has_one_name_in_its_results(words: str) -> None:
    """The one of its success is that of its failure."""
    callback = COMMANDS[words].callback
    assert callback is not None
    module = inspect.getmodule(inspect.unwrap(callback))
    names = names_on_success(module)
    if words == "deploy":
        names.add(inspect.signature(make_release).parameters["command"].default)
    ours = {result_name(each) for each, other in COMMANDS.items() if _module(other) is module}
    assert result_name(words) in names
    assert names <= ours


def _module(command: click.Command) -> object:
    assert command.callback is not None
    return inspect.getmodule(inspect.unwrap(command.callback))


@pytest.mark.parametrize(
    ("words", "name"), [("maintenance on", "maintenance"), ("jobs run", "jobs run"), ("deploy", "deploy")]
)
def test_a_failure_has_the_name_of_the_success(
    words: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs look for that."""
    report_and_exit_code(FtlError("no"), command=words, options=Options(json=True))
    assert json.loads(capsys.readouterr().out)["command"] == name
