"""`ftl secrets`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import load_project
from ftl.cli.run import pass_options, run_sync

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.config import Project, Secret


@click.group()
def command() -> None:
    """Show the project's secrets."""


@command.command("list")
@pass_options
def list_secrets(options: Options) -> None:
    """List the secrets with their sources, and the services that use them. No value is fetched."""

    def work() -> list[Fields]:
        project = load_project(options, fetch=False).project
        return [
            {"name": secret.name, "source": _source(secret), "used_by": _users(project, secret.name)}
            for secret in project.secrets
        ]

    rows = run_sync(options, "secrets list", work, lambda rows: {"secrets": rows})
    if options.json:
        return
    if not rows:
        put("ftl.yaml has no secrets")
        return
    put_table(
        ("NAME", "SOURCE", "USED BY"),
        [(str(row["name"]), str(row["source"]), ", ".join(_names(row)) or "-") for row in rows],
        optional=("SOURCE",),
    )


def _names(row: Fields) -> list[str]:
    names = row["used_by"]
    return [str(name) for name in names] if isinstance(names, list) else []


def _source(secret: Secret) -> str:
    """The source, without the words of a command, which may have credentials of their own."""
    if secret.command is not None:
        words = secret.command.split() if isinstance(secret.command, str) else secret.command
        return f"command: {words[0]}"
    return f"file: {secret.file}" if secret.file is not None else f"env: {secret.env or secret.name}"


def _users(project: Project, name: str) -> list[str]:
    return list(project.secret_users.get(name, ()))
