"""Command lines of MongoDB's tools: user, database and password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.operations.databases.backup import script_text
from tests.unit.operations.databases.test_restore import Container

if TYPE_CHECKING:
    from pathlib import Path

TOOL = """#!/bin/sh
echo "${0##*/} $*" >>"$HOME/log"
for option; do
    case $option in --config=*) cat "${option#--config=}" >>"$HOME/log" ;; esac
done
"""
LOGIN = "--username=root --authenticationDatabase=admin --config=/dev/fd/3\npassword: 'it''s $HOME \\n'\n"
ENV = {"MONGO_INITDB_ROOT_USERNAME": "root", "MONGO_INITDB_ROOT_PASSWORD": "it's $HOME \\n"}


@pytest.mark.parametrize(
    ("script", "arguments", "line"),
    [
        ("dump.sh", ("mongodump",), "mongodump --quiet --archive"),
        ("dump.sh", ("mongodump", "db"), "mongodump --quiet --host=db --archive"),
        ("restore.sh", ("restore", "mongodump", "keep", ""), "mongorestore --quiet --archive --drop"),
    ],
    ids=["dump", "dump-over-the-network", "restore"],
)
@pytest.mark.parametrize("login", ["none", "value", "file"])
def test_the_password_reaches_the_tool_by_a_descriptor(
    tmp_path: Path, script: str, arguments: tuple[str, ...], line: str, login: str
) -> None:
    """As a YAML text, from the variable or its file; never as an argument, which other processes can read."""
    container = Container(tmp_path, mongodump=TOOL, mongorestore=TOOL)
    env = dict(ENV) if login != "none" else {}
    if login == "file":
        (tmp_path / "password").write_text(env.pop("MONGO_INITDB_ROOT_PASSWORD"))
        env["MONGO_INITDB_ROOT_PASSWORD_FILE"] = str(tmp_path / "password")
    done = container.run_script(script_text(script), *arguments, stdin=b"", **env)
    assert done.returncode == 0, done
    expected = f"{line}\n" if login == "none" else f"{line} {LOGIN}"
    assert (tmp_path / "log").read_text() == expected
