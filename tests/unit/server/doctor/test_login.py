"""What doctor makes of ssh, keys, the agent and known_hosts."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ftl.errors import HostKeyChanged
from ftl.server.doctor import keys, login
from ftl.server.doctor.keys import NO_AGENT, Agent, KeyFile
from ftl.server.doctor.login import Login, Route
from ftl.ssh import Target

ROUTE = Route(
    hostname="203.0.113.5",
    user="deploy",
    port=2222,
    strict=False,
    keys=(),
    known_as="[203.0.113.5]:2222",
    known_hosts=(),
    jumps=False,
    agent="",
)
KEY = Path("/home/me/.ssh/id_ed25519")
HOLDING = Agent(answers=True, fingerprints=("SHA256:abc",))


@pytest.mark.parametrize(
    ("version", "level", "what"),
    [
        ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15", "ok", "OpenSSH 9.2p1"),
        ("OpenSSH_10.0p2, LibreSSL 3.3.6", "ok", "OpenSSH 10.0p2"),
        ("OpenSSH_7.4p1, OpenSSL 1.0.2k", "problem", "too old"),
        ("Dropbear v2022.83", "warning", "not OpenSSH"),
        (None, "problem", "there is no `ssh`"),
    ],
)
def test_the_client(version: str | None, level: str, what: str) -> None:
    """The ssh client must be OpenSSH, and new enough to remember new host keys by itself."""
    found = login.judge_client(version)
    assert found.level == level
    assert what in found.what
    assert (found.fix is None) == (level == "ok")


@pytest.mark.parametrize(
    ("key", "agent", "level", "fix"),
    [
        (KeyFile(KEY, "whole"), NO_AGENT, "ok", None),
        (KeyFile(KEY, "locked", "SHA256:abc"), HOLDING, "ok", None),
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
def test_a_named_key(key: KeyFile, agent: Agent, level: str, fix: str | None) -> None:
    """Each thing that can be wrong with the key of ftl.yaml has its own remedy."""
    found = keys.judge_key(key, agent, ROUTE.login, named=True)
    assert found.level == level
    assert str(KEY) in found.what
    if fix is None:
        assert found.fix is None
    else:
        assert found.fix is not None
        assert fix in found.fix


def test_a_path_with_spaces() -> None:
    """Commands can be copied as they are."""
    found = keys.judge_key(KeyFile(Path("/my keys/id"), "open"), NO_AGENT, ROUTE.login, named=True)
    assert found.fix == "`chmod 600 '/my keys/id'`"


def test_a_key_that_ssh_only_happens_to_find() -> None:
    """A bad key among those that ssh would try by itself is no more than a warning."""
    found = keys.judge_key(KeyFile(KEY, "open"), NO_AGENT, ROUTE.login, named=False)
    assert found.level == "warning"


def test_no_key_at_all() -> None:
    """Without a key and without an agent nobody gets in; the agent's keys do as well as a file."""
    (found,) = keys.judge_keys((), NO_AGENT, ROUTE.login, named=False)
    assert found.level == "problem"
    assert found.fix == "`ssh-keygen -t ed25519`, then `ssh-copy-id -p 2222 deploy@203.0.113.5`"
    assert [one.level for one in keys.judge_keys((), HOLDING, ROUTE.login, named=False)] == ["ok"]


def test_an_agent_with_many_keys() -> None:
    """Servers end a login after six keys, unless ftl.yaml names the right one."""
    many = Agent(answers=True, fingerprints=tuple(f"SHA256:{number}" for number in range(7)))
    assert [one.level for one in keys.judge_agent(many, named=False)] == ["warning"]
    assert [one.level for one in keys.judge_agent(many, named=True)] == ["ok"]
    assert keys.judge_agent(NO_AGENT, named=False) == []


CHANGED = HostKeyChanged(
    "shop shows another host key", cause="the known one is in F", hint="`ssh-keygen -R shop`"
)


@pytest.mark.parametrize(
    ("entries", "strict", "changed", "level", "fix"),
    [
        ((("ssh-ed25519", "AAAA1"), ("ssh-rsa", "AAAA2")), False, None, "ok", None),
        ((("ssh-ed25519", "AAAA1"), ("ssh-ed25519", "AAAA1")), False, None, "ok", None),
        ((), False, None, "ok", None),
        ((), True, None, "problem", "`ssh -p 2222 deploy@203.0.113.5`"),
        (
            (("ssh-ed25519", "AAAA1"), ("ssh-ed25519", "AAAA2")),
            False,
            None,
            "warning",
            "`ssh-keygen -R '[203.",
        ),
        ((("ssh-ed25519", "AAAA1"),), False, CHANGED, "problem", "`ssh-keygen -R shop`"),
    ],
)
def test_known_hosts(
    entries: tuple[tuple[str, str], ...],
    strict: bool,
    changed: HostKeyChanged | None,
    level: str,
    fix: str | None,
) -> None:
    """A server is known, new, known by old keys as well, or not the one that is known."""
    (found,) = login.judge_known(entries, replace(ROUTE, strict=strict), changed)
    assert found.level == level
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


@pytest.mark.parametrize(
    ("answer", "environ", "jumps", "agent", "known_as"),
    [
        ("hostname a.example\nport 22\nuser me", {"SSH_AUTH_SOCK": "/s"}, False, "/s", "a.example"),
        (
            "hostname a.example\nport 22\nproxyjump b\nidentityagent none",
            {"SSH_AUTH_SOCK": "/s"},
            True,
            "",
            "a.example",
        ),
        ("hostname ::1\nport 23\nproxycommand none\nidentityagent /t", {}, False, "/t", "[::1]:23"),
        ("hostname a.example\nport 22\nhostkeyalias shop\nproxycommand nc %h %p", {}, True, "", "shop"),
    ],
)
def test_the_way(answer: str, environ: dict[str, str], jumps: bool, agent: str, known_as: str) -> None:
    """From `ssh -G`: whether the way goes through others, whose agent is asked, and the name in known_hosts."""
    route = login.read_route(answer, Target("shop"), environ)
    assert (route.jumps, route.agent, route.known_as) == (jumps, agent, known_as)


def keygen(path: Path, passphrase: str = "") -> Path:
    """A new key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    return path


def looked_at(key: Path) -> KeyFile:
    """What doctor sees of a key's file."""
    found: Login = asyncio.run(login.gather(Target("127.0.0.1", key=key), {}))
    return found.keys[0]


def test_key_files_are_told_apart(tmp_path: Path) -> None:
    """A whole key, a locked, open, broken or public one, a folder and nothing: each is seen for what it is."""
    whole, locked = keygen(tmp_path / "whole"), keygen(tmp_path / "locked", "secret")
    is_open, broken = tmp_path / "open", tmp_path / "broken"
    shutil.copy(whole, is_open)
    is_open.chmod(0o644)
    broken.write_bytes(whole.read_bytes()[:120])
    broken.chmod(0o600)
    states = {
        path: looked_at(path).state
        for path in (whole, locked, is_open, broken, whole.with_suffix(".pub"), tmp_path, tmp_path / "no")
    }
    assert list(states.values()) == ["whole", "locked", "open", "broken", "public", "folder", "missing"]
    assert looked_at(locked).fingerprint.startswith("SHA256:")


def test_hashed_names_are_found(tmp_path: Path) -> None:
    """known_hosts is searched by ssh-keygen, which also finds names that are hashed."""
    public = keygen(tmp_path / "host").with_suffix(".pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority *.example {' '.join(public)}\n[127.0.0.1]:2200 {' '.join(public)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    target = Target("127.0.0.1", 2200, "me", tmp_path / "host", known)
    found = asyncio.run(login.gather(target, os.environ))
    assert found.entries == (("ssh-ed25519", public[1]),)
