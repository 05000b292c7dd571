"""The fault bench breaks off every command that changes something."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

import click
from bench.faults.__main__ import summary
from bench.faults.cluster_commands import CLUSTER_NAMED

from ftl.cli import overview
from tests.faults.commands import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES_NOTHING = {
    *("audit", "config", "doctor", "jobs", "logs", "plan", "preview list", "sandbox status", "secrets get"),
    *("completion script", "secrets list", "servers", "status", "tunnels", "upgrade", "validate", "version"),
}

LEFT_OUT = {"init": "it writes new files of one folder alone, ftl.yaml last"}

SEVERAL_TOO = (
    *("deploy", "rollback", "restart", "scale", "stop", "start", "prune"),
    *("maintenance on", "maintenance off", "setup", "servers drain", "servers resume"),
)
"""Commands that do their part on each of several servers."""

NUMBERS = """
kills cuts full_disks engine_restarts reboots requests failed site_lost foreign_touched converged leftovers hangs
status_wrong recovery_median_s recovery_worst_s secrets_found
"""


def verbs() -> Iterator[str]:
    """Every command, and every subcommand with the name of its group."""
    for name in overview.names():
        command: click.Command = import_module(f"ftl.cli.commands.{name}").command
        if not isinstance(command, click.Group):
            yield name
            continue
        if command.invoke_without_command:
            yield name
        yield from (f"{name} {each}" for each in command.commands)


def is_tried(verb: str, commands: list[tuple[str, ...]]) -> bool:
    """Whether one of some commands is this one."""
    words = tuple(verb.split())
    return any(argv[: len(words)] == words for argv in commands)


def test_every_command_that_changes_something_is_broken_off() -> None:
    """On one server, or on several; a new one has its trial, or the reason why there is none."""
    tried = [command.argv for command in NAMED.values()]
    tried += [command.argv for command in CLUSTER_NAMED.values()]
    there = set(verbs())
    assert there >= CHANGES_NOTHING | LEFT_OUT.keys()
    changing = there - CHANGES_NOTHING - LEFT_OUT.keys()
    assert [verb for verb in sorted(changing) if not is_tried(verb, tried)] == []
    assert [verb for verb in (*CHANGES_NOTHING, *LEFT_OUT) if " " in verb and is_tried(verb, tried)] == []


def test_what_works_on_each_of_several_servers_is_broken_off_there() -> None:
    """Another planner, other steps."""
    tried = [command.argv for command in CLUSTER_NAMED.values()]
    assert [verb for verb in SEVERAL_TOO if not is_tried(verb, tried)] == []


OTHER_STEPS = ("rollback --rebuild", "prune --build-cache", "deploy --watch", "deploy --backup")
"""Options with which a command takes other steps than without."""


def test_an_option_with_steps_of_its_own_is_broken_off() -> None:
    """The command without it says nothing of them."""
    tried = [command.argv for command in NAMED.values()]
    tried += [command.argv for command in CLUSTER_NAMED.values()]
    missing = [
        option
        for option in OTHER_STEPS
        if not any(argv[0] == option.split()[0] and option.split()[1] in argv for argv in tried)
    ]
    assert missing == []


def test_every_name_in_an_argument_has_its_place() -> None:
    """Those that trials put there, and no other."""
    for named, known in ((NAMED, {"{name}", "{previous}"}), (CLUSTER_NAMED, {"{b}"})):
        commands = [argv for each in named.values() for argv in (each.argv, *each.before, *each.after)]
        places = {place for argv in commands for word in argv for place in re.findall(r"\{\w*\}", word)}
        assert places == known


def test_the_sums_have_every_number() -> None:
    """Also where no trial was made."""
    assert summary([]).keys() >= set(NUMBERS.split())
