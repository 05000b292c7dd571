"""Commands that work with several servers; the others refuse them before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.config import Project

ALL = (
    "audit",
    "backup",
    "build",
    "config",
    "deploy",
    "doctor",
    "exec",
    "jobs",
    "jobs run",
    "logs",
    "plan",
    "releases",
    "restart",
    "restore",
    "rollback",
    "run",
    "scale",
    "secrets list",
    "setup",
    "status",
    "tunnels",
    "validate",
    "version",
)
"""Commands that know several servers."""

ONE = ("audit", "exec", "jobs", "logs", "releases", "tunnels", "version")
"""Commands that read one of several servers, chosen by --server."""


def refuse_several(project: Project, options: Options, *, changes: bool) -> None:
    """Refuse a project with `servers` where the command would treat only the first one.

    Args:
        project: The project of the command.
        options: The global options; --server chooses one of the servers.
        changes: The command changes a server.

    Raises:
        UsageError: The command does not know several servers, or needs to know which one is meant.
    """
    if not project.is_cluster:
        return
    command = click.get_current_context().command_path.partition(" ")[2]
    if command in ALL:
        return
    hosts = ", ".join(server.host for server in project.servers)
    if command in ONE and not changes:
        if options.server is not None:
            return
        raise UsageError(
            f"`ftl {command}` shows one server at a time, and {project.name} has several",
            hint=f"add `--server HOST`, with one of {hosts}",
        )
    raise UsageError(
        f"`ftl {command}` does not work with several servers yet, and {project.name} has {len(project.servers)}",
        hint=f"with `servers`, these do: {_names(ALL)}; and, with `--server HOST`: {_names(ONE)}",
    )


def _names(commands: tuple[str, ...]) -> str:
    return ", ".join(f"`{command}`" for command in commands)
