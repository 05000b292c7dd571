"""What doctor makes of ssh, of the way it takes, and of known_hosts."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.errors import HostKeyChanged, LoginRefused, ServerError
from ftl.server.doctor.checks import ssh
from ftl.server.doctor.checks.ssh import SshRoute
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from pathlib import Path

ROUTE = SshRoute(
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
    found = ssh.judge_client(version)
    assert found.level == level
    assert what in found.what
    assert (found.fix is None) == (level == "ok")


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
    (found,) = ssh.judge_known(entries, replace(ROUTE, strict=strict), changed)
    assert found.level == level
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


@pytest.mark.parametrize(
    ("refusal", "remembered"),
    [(None, True), (LoginRefused("no"), True), (ServerError("shop does not answer on port 22"), False)],
)
def test_only_a_server_that_was_met_is_remembered(refusal: ServerError | None, remembered: bool) -> None:
    """OpenSSH writes a new host key down before it logs in; of a server that does not answer there is none."""
    (found,) = ssh.judge_known((), ROUTE, refusal)
    assert found.what.endswith("is remembered") is remembered


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
    route = ssh.read_route(answer, Target("shop"), environ)
    assert (route.jumps, route.agent, route.known_as) == (jumps, agent, known_as)


def test_hashed_names_are_found(tmp_path: Path) -> None:
    """known_hosts is searched by ssh-keygen, which also finds names that are hashed."""
    host = tmp_path / "host"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host], check=True)
    public = host.with_suffix(".pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority *.example {' '.join(public)}\n[127.0.0.1]:2200 {' '.join(public)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    target = Target("127.0.0.1", 2200, "me", tmp_path / "host", known)
    found = asyncio.run(ssh.inspect_ssh(target, os.environ))
    assert found.entries == (("ssh-ed25519", public[1]),)
