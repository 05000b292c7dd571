"""`ftl secrets list`: where each secret comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("doppler secrets get KEY --plain -p shop", "doppler secrets get KEY --plain -p ********"),
        ("aws secretsmanager get --secret-id a/b", "aws secretsmanager get --secret-id a/b"),
        (
            "bw get password x --session=a:b --nointeraction",
            "bw get password x --session=******** --nointeraction",
        ),
        ("vault kv get --token abc -field=p kv/x", "vault kv get --token ******** -field=p kv/x"),
        ("bin/secret ${FTL_ENV:-production}/db", "bin/secret ..."),
        ("echo hunter2/x", "echo ..."),
        ("printf %s hunter2", "printf ..."),
        ("my-vault hunter2 and more", "my-vault ..."),
        (("sh", "-c", "pass show db | head -n 1"), "sh -c pass show db | head ..."),
        (("sh", "-c", "printf hunter2"), "sh -c printf ..."),
        (("sh", "-c", "A=hunter2 op read op://x"), "sh -c A=******** op read op://x"),
        (("sh", "-c", 'S="$(pass show s)" && get hunter2'), "sh -c S=******** && get ..."),
        ("curl https://u:pw@v.test/x?token=abc&y=1", "curl https://v.test/..."),
        ("cat ghp_abcdefghijklmnopqrstuvwxyz0123", "cat ..."),
        (("op", "read", "op://" + "x" * 200), "op read ..."),
        ("curl -s -u admin:hunter2 https://v/a", "curl ... https://v/..."),
        ("curl -H X-Api-Key:abc -d password=hun/ter2", "curl ..."),
        ("curl -d https://v/hunter2 --data https://v/hunter2", "curl ..."),
        ("openssl rsa -in a/b -pass pass:hunter2", "openssl ..."),
        ("bw unlock hunter2pass --raw", "bw ..."),
        ("vault login hunter2", "vault ..."),
        ("az login -p hunter2", "az ..."),
        ("cat <<< hunter2", "cat ..."),
        ("env BW_PASSWORD=p.ss bw get password x", "env ..."),
        ("docker run -e TOKEN=a.b x", "docker ..."),
        (("sh", "-c", "K='a.b hunter.2' vault read x"), "sh -c K=******** vault read x"),
        (("sh", "-c", "op read op://x\nvault login hunter2"), "sh -c op read op://x ; vault ..."),
        (("sh", "-c", "op read 'op://x", "hunter2"), "sh -c ..."),
        ("op read 'op://x hunter2", "op ..."),
        ("mysql -phunter2", "mysql ..."),
        (
            "az keyvault secret show --name a --client-secret hunter2",
            "az keyvault secret show --name a --client-secret ********",
        ),
        ("vault read -phunter2 x", "vault read -p x"),
        ("op read op://x <<<hunter2", "op read op://x ..."),
        ("op item get X --fields label=password", "op item get X --fields ..."),
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


PLACES = (
    "curl -s -u {} https://v/a",
    "curl -H {} https://v/a",
    "curl https://u:{}@v/a",
    "curl https://v/a?x={}",
    "curl https://hooks.test/services/{}",
    "cat {}",
    "cat <<< {}",
    "openssl rsa -pass pass:{}",
    "bw unlock {} --raw",
    "vault login {}",
    "vault write kv/x a={}",
    "vault token lookup {}",
    "az login -p {}",
    "env A={} bw get x",
    "docker run -e A={} x",
    "mysql -p{}",
    "A={} op read x",
    "vault read -p {} x",
    "vault read --token {} x",
    "vault read --token={} x",
    "op read x <<< {}",
    "op read x <<<{}",
    "op get x --client-secret {}",
    "bw get x --session={}",
    "op read x a={}",
    "op --cache={} read x",
    "my-vault {}",
    "op {} read x",
    "op read 'x {}",
    "aws {} get-secret-value --secret-id x",
    "aws configure set k {}",
)


@given(
    place=st.sampled_from(PLACES),
    value=st.from_regex(r"[a-zA-Z0-9./:_+-]{0,12}hunter2[a-zA-Z0-9./:_+=-]{0,12}", fullmatch=True),
    form=st.sampled_from(["text", "words", "shell", "quoted"]),
)
def test_no_value_is_shown_at_any_other_place(place: str, value: str, form: str) -> None:
    """Whatever it looks like, and whether the command is a text, words or a script of a shell."""
    text = place.format(f"'{value} a'" if form == "quoted" and "'" not in place else value)
    command = {"words": tuple(text.split()), "shell": ("sh", "-c", text)}.get(form, (text,))
    assert "hunter2" not in source_of(Secret(name="A", command=command), command)
