"""Secrets in arguments: of commands, with a note what to write instead, and of builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.notes import secret_argument_notes
from tests.unit.config.secrets.project_text import project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Load, Refuse

HEAD = "project: {name: shop}\nserver: local\nsecrets:\n  KEY: {env: TOKEN}\n  DB: {env: TOKEN}\n"
ITSELF = "have the program itself read it"
SERVICE = "services:\n  - name: web\n    image: web:1\n    port: 80\n"


@pytest.mark.parametrize(
    ("lines", "line", "note", "advice"),
    [
        (
            "    command: serve --key ${KEY}\n",
            10,
            "command has the secret KEY in it",
            ITSELF,
        ),
        (
            "    command: [serve, '--key=${KEY}']\n",
            10,
            "command has the secret KEY in it",
            ITSELF,
        ),
        (
            "    entrypoint:\n    - run\n    - ${KEY}\n",
            12,
            "entrypoint has the secret KEY",
            ITSELF,
        ),
        (
            "    command: 'a ${KEY} ${DB} ${KEY}'\n",
            10,
            "has the secrets KEY and DB in it",
            ITSELF,
        ),
        (
            "    hooks: {pre: {remote: 'migrate --password ${DB}'}}\n",
            10,
            "remote has the secret DB in it",
            ITSELF,
        ),
        (
            "    hooks: {pre: 'migrate ${DB}'}\n",
            10,
            "remote has the secret DB in it",
            ITSELF,
        ),
        (
            "    hooks: {post: {local: [curl, '${KEY}']}}\n",
            10,
            "local has the secret KEY in it",
            ITSELF,
        ),
        (
            "    container:\n      health_check: {cmd: 'check ${KEY}'}\n",
            11,
            "cmd has the secret KEY in it",
            ITSELF,
        ),
        (
            "jobs: [{name: j, service: web, schedule: '0 3 * * *', command: 'job ${KEY}'}]\n",
            10,
            "command has the secret KEY in it",
            ITSELF,
        ),
        (
            "dependencies: [{name: redis, image: 'redis:7', command: 'redis-server --requirepass ${DB}'}]\n",
            10,
            "command has the secret DB in it",
            ITSELF,
        ),
        (
            "registries: [{server: r.io, username: u, command: 'login ${KEY}'}]\n",
            10,
            "command has the secret KEY in it",
            "as `password` or `token`",
        ),
    ],
)
def test_a_secret_in_a_command_has_a_note(
    loaded: Load, lines: str, line: int, note: str, advice: str
) -> None:
    """Wherever ftl.yaml has commands, as a text or as a list."""
    (text,) = secret_argument_notes(loaded(HEAD + SERVICE + lines, TOKEN="hunter2"))
    assert text.startswith(f"ftl.yaml:{line}: ")
    assert note in text
    assert advice in text
    assert "hunter2" not in text


def test_a_secret_that_is_the_whole_word_is_noted_where_it_is_used(loaded: Load) -> None:
    """Not where the secret is declared; one that came in by .env, too."""
    (text,) = secret_argument_notes(loaded(f"{HEAD}{SERVICE}    command: [serve, '${{KEY}}']\n", TOKEN="x"))
    assert text.startswith("ftl.yaml:10: ")


@pytest.mark.parametrize(
    "lines",
    [
        "    command: serve --key $KEY\n",
        "    command: serve --host ${HOST_NAME}\n",
        "    env: {KEY: '${KEY}'}\n    command: serve\n",
        "    hooks: {pre: {local: 'curl -u ${KEY}'}}\n",
    ],
)
def test_other_commands_have_none(loaded: Load, lines: str) -> None:
    """A shell's own variable, one that is no secret, and a text for this machine's shell, which is no argument."""
    assert secret_argument_notes(loaded(HEAD + SERVICE + lines, TOKEN="hunter2", HOST_NAME="h")) == ()


@pytest.mark.parametrize("name", ["DOCKER_HOST", "LD_PRELOAD"])
@pytest.mark.parametrize("value", ["${A}", "x ${A}", "${OF_A}"])
def test_a_secret_is_in_no_build_argument_that_the_builder_gets_by_its_command_line(
    refused: Refuse, folder: Path, name: str, value: str
) -> None:
    """A variable of that name would change how the docker CLI works."""
    (folder / ".env").write_text("OF_A=x${A}\n")
    build = f"    build: {{context: ., args: {{{name}: '{value}'}}}}\n"
    (problem,) = refused(project("  A: {env: TOKEN}\n", build), TOKEN="hunter2")
    assert (problem.file, problem.line) == ("ftl.yaml", 8)
    assert f"args: {name} has the secret A in it" in problem.message
    assert "rename the argument" in (problem.hint or "")


@pytest.mark.parametrize(("name", "value"), [("DOCKER_HOST", "plain"), ("DOCKER_PASSWORD", "${A}")])
def test_other_build_arguments_may_have_any_value(loaded: Load, name: str, value: str) -> None:
    """One without a secret is no secret in a process list, and others go by a variable."""
    build = f"    build: {{context: ., args: {{{name}: '{value}'}}}}\n"
    made = loaded(project("  A: {env: TOKEN}\n", build), TOKEN="hunter2")
    assert made.services[0].build is not None
    assert made.services[0].build.args == {name: value.replace("${A}", "hunter2")}
