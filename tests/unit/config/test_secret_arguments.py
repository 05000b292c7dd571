"""Secrets in the words of commands: a note has the place, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.secret_arguments import secret_argument_notes

if TYPE_CHECKING:
    from .conftest import Load

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
