"""Checks of SSH keys: their files, and those in the agent."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from ftl.server.doctor.checks import keys
from ftl.server.doctor.checks.keys import NO_AGENT, KeyFile, SshAgent

LOGIN = "-p 2222 deploy@203.0.113.5"
KEY = Path("/home/me/.ssh/id_ed25519")
AGENT = SshAgent(answers=True, fingerprints=("SHA256:abc",))


@pytest.mark.parametrize(
    ("key", "agent", "level", "fix"),
    [
        (KeyFile(KEY, "whole"), NO_AGENT, "ok", None),
        (KeyFile(KEY, "locked", "SHA256:abc"), AGENT, "ok", None),
        (KeyFile(KEY, "locked", "SHA256:abc"), NO_AGENT, "warning", f"`ssh-add {KEY}`"),
        (
            KeyFile(KEY, "missing"),
            NO_AGENT,
            "problem",
            f"`ssh-copy-id -i {KEY}.pub -p 2222 deploy@203.0.113.5`",
        ),
        (KeyFile(KEY, "folder"), NO_AGENT, "problem", "server.ssh_key"),
        (KeyFile(KEY, "unreadable"), NO_AGENT, "problem", f"`ls -l {KEY}`"),
        (KeyFile(KEY, "public"), NO_AGENT, "problem", "without .pub"),
        (KeyFile(KEY, "open"), NO_AGENT, "problem", f"`chmod 600 {KEY}`"),
        (KeyFile(KEY, "broken"), NO_AGENT, "problem", f"`ssh-keygen -y -f {KEY}`"),
    ],
)
def test_a_configured_key(key: KeyFile, agent: SshAgent, level: str, fix: str | None) -> None:
    """Each flaw of the key that ftl.yaml names has its own fix."""
    found = keys.judge_key(key, agent, LOGIN, configured=True)
    assert found.level == level
    assert str(KEY) in found.what
    if fix is None:
        assert found.fix is None
    else:
        assert found.fix is not None
        assert fix in found.fix


def test_a_path_with_spaces() -> None:
    """It is quoted in commands, so that they can be copied."""
    found = keys.judge_key(KeyFile(Path("/my keys/id"), "open"), NO_AGENT, LOGIN, configured=True)
    assert found.fix == "`chmod 600 '/my keys/id'`"


def test_a_key_that_is_not_configured() -> None:
    """A flaw of one of the keys that ssh tries by default is only a warning."""
    found = keys.judge_key(KeyFile(KEY, "open"), NO_AGENT, LOGIN, configured=False)
    assert found.level == "warning"


def test_no_key() -> None:
    """Without a key in a file or in the agent a login is impossible; either is enough."""
    (found,) = keys.judge_keys((), NO_AGENT, LOGIN, configured=False)
    assert found.level == "problem"
    assert found.fix == "`ssh-keygen -t ed25519`, then `ssh-copy-id -p 2222 deploy@203.0.113.5`"
    assert [one.level for one in keys.judge_keys((), AGENT, LOGIN, configured=False)] == ["ok"]


def test_an_agent_with_many_keys() -> None:
    """Servers end a login after about six keys; it is no problem if ftl.yaml names the right one."""
    many = SshAgent(answers=True, fingerprints=tuple(f"SHA256:{number}" for number in range(7)))
    assert [one.level for one in keys.judge_agent(many, configured=False)] == ["warning"]
    assert [one.level for one in keys.judge_agent(many, configured=True)] == ["ok"]
    assert keys.judge_agent(NO_AGENT, configured=False) == []


def test_the_state_of_key_files(tmp_path: Path) -> None:
    """A whole key, a locked, open, broken or public one, a folder, and a missing file."""
    whole, locked = keygen(tmp_path / "whole", ""), keygen(tmp_path / "locked", "secret")
    is_open, broken = tmp_path / "open", tmp_path / "broken"
    shutil.copy(whole, is_open)
    is_open.chmod(0o644)
    broken.write_bytes(whole.read_bytes()[:120])
    broken.chmod(0o600)
    states = {
        path: asyncio.run(keys.inspect_key(path)).state
        for path in (whole, locked, is_open, broken, whole.with_suffix(".pub"), tmp_path, tmp_path / "no")
    }
    assert list(states.values()) == ["whole", "locked", "open", "broken", "public", "folder", "missing"]
    assert asyncio.run(keys.inspect_key(locked)).fingerprint.startswith("SHA256:")


def keygen(path: Path, passphrase: str) -> Path:
    """A new key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    return path
