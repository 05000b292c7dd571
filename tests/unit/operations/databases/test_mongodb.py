"""Command lines of MongoDB's tools: user, database and password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.operations.databases.tools import script_text
from tests.unit.operations.databases.test_container_scripts import Container

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
        ("dump.sh", ("mongodump",), "mongodump --archive"),
        ("dump.sh", ("mongodump", "db"), "mongodump --host=db --archive"),
        ("restore.sh", ("restore", "mongodump", "keep", ""), "mongorestore --archive --drop --stopOnError"),
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


@pytest.mark.parametrize("client", ["mongosh", "mongo"])
def test_the_first_server_of_the_image_does_not_count_as_ready(tmp_path: Path, client: str) -> None:
    """It listens on loopback alone, makes the users, and is stopped; older images have only `mongo`."""
    container = Container(tmp_path, **{client: TOOL, "hostname": "#!/bin/sh\necho fd00::9 172.17.0.9\n"})
    assert container.run("ready", "mongodump", "keep", "").returncode == 0
    assert f"{client} --quiet --host 172.17.0.9 --eval" in (tmp_path / "log").read_text()
