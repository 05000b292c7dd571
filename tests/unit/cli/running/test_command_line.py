"""Command line of a call, as the audit and the hint after a break have it."""

from __future__ import annotations

from importlib import import_module

import click
import pytest

from ftl.cli.running.command_line import given_command


def given(line: str) -> str:
    """What is kept of a call."""
    name, *words = line.split()
    command: click.Command = import_module(f"ftl.cli.commands.{name}").command
    context = command.make_context(name, words, parent=click.Context(click.Group(), info_name="ftl"))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        sub_name, sub, rest = context.command.resolve_command(context, rest)
        assert sub is not None
        context = sub.make_context(sub_name, rest, parent=context)
    with context:
        return given_command().text


@pytest.mark.parametrize(
    "line",
    [
        "deploy",
        "deploy web worker --no-build --upgrade-proxy --adopt --no-hooks --backup --watch 5m --end-hold",
        "maintenance off",
        "maintenance on --page sorry.html --allow 198.51.100.7 --allow 2001:db8::/32",
        "preview up --pr 7 --expires 2h --end-hold",
        "preview down pr-7",
        "prune --build-cache",
        "releases --mark-bad r3 -m slow",
        "remove --volumes --backups",
        "restore db --from-server latest",
        "rollback r4 --hooks --hold -m slow --rebuild --fresh-secrets",
        "scale web=2 worker=3",
        "servers drain b",
        "jobs run nightly",
    ],
)
def test_all_that_changes_something_is_kept(line: str) -> None:
    """A `remove --volumes` that was cut, and is run again as `remove`, leaves the volumes."""
    assert given(line) == line


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("deploy --wait-lock 60 --summary out.md", "deploy"),
        ("remove --yes --dry-run --project shop --volumes", "remove --volumes"),
        ("releases -n 3 --unmark-bad r3", "releases --unmark-bad r3"),
        ("jobs --project shop run nightly --wait-lock 5", "jobs run nightly"),
    ],
)
def test_the_target_and_what_only_shapes_the_run_is_left_out(line: str, kept: str) -> None:
    """The hint gets the target of its own call, and the audit is that of the project."""
    assert given(line) == kept


def test_a_reason_is_one_word_for_a_shell() -> None:
    """The hint can be copied."""
    command: click.Command = import_module("ftl.cli.commands.releases").command
    with command.make_context("releases", ["--message", "loses 'sessions'", "--mark-bad", "r3"]):
        assert given_command().options == ("--mark-bad", "r3", "-m", "loses 'sessions'")


@pytest.mark.parametrize(("arguments", "seconds"), [([], 0.0), (["--wait-lock", "60"], 60.0)])
def test_the_wait_for_the_lock_comes_with_the_command(arguments: list[str], seconds: float) -> None:
    """No command passes it on by itself."""
    for name in ("deploy", "rollback", "prune", "releases"):
        command: click.Command = import_module(f"ftl.cli.commands.{name}").command
        with command.make_context(name, list(arguments)):
            assert given_command().lock_wait == seconds
