"""`ftl secrets set`, `get` and `edit`: from stdin or an editor into an age file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyrage")

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

PROJECT = """\
project: {name: shop}
server: local
secrets:
  STRIPE: {age: secrets.yaml.age}
  TOKEN: {env: HOME}
services:
  - name: web
    image: web:1
    secrets: [STRIPE]
    env: {MISSING: "${NOT_SET_YET}"}
"""
FTL = [sys.executable, "-m", "ftl"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose ftl.yaml is not complete yet, and an SSH key; the working directory and $TMPDIR are private."""
    (tmp_path / ".ssh").mkdir()
    key = str(tmp_path / ".ssh" / "id_ed25519")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=60)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "ftl.yaml").write_text(PROJECT)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str, value: str = "") -> subprocess.CompletedProcess[str]:
    """Run `ftl` with text on stdin."""
    return subprocess.run([*FTL, *arguments], input=value, capture_output=True, text=True, timeout=60)


def editor(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have $EDITOR run this shell script, with the file as $1."""
    script = folder.parent / "editor.sh"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))


def test_a_value_goes_from_stdin_into_the_file_and_out_again(shop: Path, cli: Cli) -> None:
    """Only the newline at its end is left out; ftl.yaml may still lack other values."""
    done = run("secrets", "set", "STRIPE", value="sk_live_ä\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "STRIPE is set in secrets.yaml.age" in done.stdout
    assert "sk_live" not in done.stdout
    assert "sk_live" not in (shop / "secrets.yaml.age").read_text()
    assert cli(["secrets", "get", "STRIPE"]).out == "sk_live_ä\n"
    record = cli(["--json", "secrets", "get", "STRIPE"]).result
    assert record["secrets"] == [
        {"name": "STRIPE", "source": "age: secrets.yaml.age", "used_by": ["web"], "value": "sk_live_ä"}
    ]


def test_a_name_that_is_not_declared_says_how_to_declare_it(shop: Path) -> None:
    """It goes into the one age file of the project."""
    done = run("secrets", "set", "NEW_KEY", value="x")
    assert "NEW_KEY: {age: secrets.yaml.age}" in done.stdout
    result = json.loads(run("--json", "secrets", "set", "NEW_KEY", value="y").stdout)
    assert result["secrets"] == [{"name": "NEW_KEY", "source": "age: secrets.yaml.age", "used_by": []}]


def test_the_secrets_of_an_edited_file_are_told(
    shop: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `list`, `set` and `get`; one that is not declared yet, too."""
    editor(shop, 'printf "STRIPE: a\nNEW: b\n" > "$1"', monkeypatch)
    result = cli(["--json", "secrets", "edit"]).result
    assert result["secrets"] == [
        {"name": "STRIPE", "source": "age: secrets.yaml.age", "used_by": ["web"]},
        {"name": "NEW", "source": "age: secrets.yaml.age", "used_by": []},
    ]
    assert result["file"] == "secrets.yaml.age"


@pytest.mark.parametrize(
    ("arguments", "value", "words"),
    [
        (["set", "STRIPE"], "\n", "the value is empty"),
        (["set", "TOKEN"], "x", "the source of TOKEN is env: HOME, not an age file"),
        (["set", "no-name"], "x", "`no-name` is not the name of a variable"),
        (["set", "STRIPE", "sk_live"], "", "unexpected extra argument"),
        (["get", "STRIP"], "", "did you mean `STRIPE`?"),
        (["get", "STRIPE"], "", "there is no file secrets.yaml.age"),
    ],
)
def test_a_wrong_call_gets_a_sentence(shop: Path, arguments: list[str], value: str, words: str) -> None:
    """And nothing is written. A value is never an argument."""
    done = run("secrets", *arguments, value=value)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert [path.name for path in shop.iterdir()] == ["ftl.yaml"]


def test_the_editor_gets_a_private_file_that_is_gone_afterwards(
    shop: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mode 0600 in a folder of mode 0700, named as YAML; what it saves is encrypted."""
    run("secrets", "set", "STRIPE", value="first")
    note = 'stat -c "%a %n" "$1" "$(dirname "$1")" >> "$HOME/seen"; cat "$1" >> "$HOME/seen"'
    editor(shop, f'{note}; echo "STRIPE: second" > "$1"', monkeypatch)
    assert cli(["secrets", "edit"]).code == 0
    seen = (shop.parent / "seen").read_text()
    assert seen.startswith("600 ")
    assert "/secrets.yaml\n700 " in seen
    assert 'STRIPE: "first"' in seen
    assert list((shop.parent / "tmp").iterdir()) == []
    assert cli(["secrets", "get", "STRIPE"]).out == "second\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 3", "ended with status 3: nothing was changed"),
        ('echo "- list" > "$1"', "must be a map of names to values"),
        ('rm "$1"', "cannot be read"),
        ("echo garbage > secrets.yaml.age", "was changed by another program"),
    ],
)
def test_a_failed_edit_changes_nothing(
    shop: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    """The message says why, without a line of the text; no file is left behind."""
    run("secrets", "set", "STRIPE", value="first")
    before = (shop / "secrets.yaml.age").read_text()
    editor(shop, body, monkeypatch)
    failed = cli(["secrets", "edit"])
    assert failed.code != 0
    assert words in failed.err
    assert (shop / "secrets.yaml.age").read_text() in (before, "garbage\n")
    assert list((shop.parent / "tmp").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_killed_edit_leaves_no_plaintext(
    shop: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Not even SIGKILL: a process that waits for our end removes the folder."""
    run("secrets", "set", "STRIPE", value="first")
    editor(shop, 'echo $$ > "$HOME/pid"; exec sleep 30', monkeypatch)
    process = subprocess.Popen([*FTL, "secrets", "edit"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid = shop.parent / "pid"
    try:
        _wait_for(lambda: pid.exists() and pid.read_text().strip() != "")
        assert len(list((shop.parent / "tmp").glob("ftl-edit-*/secrets.yaml"))) == 1
        process.send_signal(number)
        process.wait(20)
        _wait_for(lambda: list((shop.parent / "tmp").iterdir()) == [])
    finally:
        process.kill()
        if number is signal.SIGKILL:  # the editor itself is not ours to end then
            os.kill(int(pid.read_text()), signal.SIGKILL)
    assert subprocess.run([*FTL, "secrets", "get", "STRIPE"], capture_output=True).stdout == b"first\n"


def _wait_for(condition: object) -> None:
    assert callable(condition)
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 20 s")
