"""`ftl secrets list`: where each secret comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.cli.views.secret_sources import source_of
from ftl.config.models.project import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

ID = "k5uqzwmx2l7bdv4ahn3trcgpye"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("op read op://prod/db/password", "op read op://prod/db/password"),
        (("op", "read", "op://My Vault/the shop/KEY"), "op read op://My Vault/the shop/KEY"),
        (f"op read op://{ID}/db", "op read op://k5uqzw.../db"),
        ("doppler secrets get KEY --plain -p shop", "doppler secrets get KEY --plain -p shop"),
        ("aws secretsmanager get --secret-id a/b", "aws secretsmanager get --secret-id a/b"),
        (
            "bw get password x --session=a:b --nointeraction",
            "bw get password x --session=******** --nointeraction",
        ),
        ("vault kv get --token abc -field=p kv/x", "vault kv get --token ******** -field=p kv/x"),
        ("bin/secret ${FTL_ENV:-production}/db", "bin/secret ${FTL_ENV:-production}/db"),
        ("echo hunter2/x", "echo ..."),
        ("printf %s hunter2", "printf ..."),
        ("my-vault hunter2 and more", "my-vault ..."),
        (("sh", "-c", "pass show db | head -n 1"), "sh -c pass show db | head -n ..."),
        (("sh", "-c", "printf hunter2"), "sh -c printf ..."),
        (("sh", "-c", "A=hunter2 op read op://x"), "sh -c A=******** op read op://x"),
        (("sh", "-c", 'S="$(pass show s)" && get hunter2'), 'sh -c S="$(pass show s)" && get ...'),
        ("curl https://u:pw@v.test/x?token=abc&y=1", "curl https://u:********@v.test/x?token=********&y=1"),
        ("cat ghp_abcdefghijklmnopqrstuvwxyz0123", "cat ********"),
        (("op", "read", "op://" + "x" * 200), "op read op://" + "x" * 107 + "..."),
    ],
)
def test_a_command_is_told_apart_without_a_value(command: str | tuple[str, ...], shown: str) -> None:
    """The words that name the secret are there; what may be a value itself, or logs in, is not."""
    words = (command,) if isinstance(command, str) else command
    assert source_of(Secret(name="A", command=command), words) == f"command: {shown}"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (Secret(name="A", file="a.json", format="json", key="B"), "file: a.json, key B"),
        (Secret(name="A", age="s.age", key="B"), "age: s.age, key B"),
        (Secret(name="A", env="B"), "env: B"),
        (Secret(name="A", command="sops -d x.yaml", format="json", key="B"), "command: sops, key B"),
    ],
)
def test_one_source_of_several_values_has_its_key(secret: Secret, shown: str) -> None:
    """Two names of the same file looked the same."""
    assert source_of(secret, ("sops",)) == shown


def test_two_items_of_a_vault_are_told_apart(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are written in the file, or in an overlay; control characters of the file are escaped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCOUNT", "hunter22")
    text = """\
project: {name: shop}
secrets:
  A: {command: "op read op://prod/a --account ${ACCOUNT}"}
  B: {command: [op, read, "op://prod/b\\e[31m"]}
services: [{name: web, image: x, env: {A: "${A}", B: "${B}"}}]
"""
    (tmp_path / "ftl.yaml").write_text(text)
    (tmp_path / "ftl.staging.yaml").write_text("secrets: {B: {command: op read op://staging/b}}\n")
    out = cli(["secrets", "list"]).out
    assert "op read op://prod/a --account ${ACCOUNT}" in out
    assert "op read op://prod/b\\x1b[31m" in out
    assert "hunter22" not in out
    result = json.loads(cli(["-e", "staging", "--json", "secrets", "list"]).out.splitlines()[-1])
    assert result["secrets"][1]["source"] == "command: op read op://staging/b"
