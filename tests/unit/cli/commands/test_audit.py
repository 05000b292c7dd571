"""What `ftl audit` prints of the entries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ftl.cli.commands.audit import _fields, _print
from ftl.releases.audit import AuditEntry

DEPLOY = AuditEntry(0.0, "ana@laptop", "deploy", "r2", "done")


@pytest.mark.parametrize(
    ("environments", "printed"),
    [
        (("", ""), ["TIME", "BY", "COMMAND", "RELEASE", "OUTCOME"]),
        (("", "staging"), ["TIME", "ENVIRONMENT", "BY", "COMMAND", "RELEASE", "OUTCOME"]),
    ],
)
def test_a_column_names_environments_where_there_are_any(
    environments: tuple[str, ...], printed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Most projects have none; with --json each entry has the field."""
    entries = [replace(DEPLOY, environment=environment) for environment in environments]
    _print("shop", entries)
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == printed
    if "ENVIRONMENT" in printed:
        assert [row.split()[1] for row in rows] == ["-", "staging"]
    listed: Any = _fields(entries)["entries"]
    assert [entry["environment"] for entry in listed] == [name or None for name in environments]
