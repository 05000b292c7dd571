"""Checks of ssh on this machine: the client, its route, and known_hosts."""

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
        (None, "problem", "not installed"),
    ],
)
def test_the_client(version: str | None, level: str, what: str) -> None:
    """It must be OpenSSH, and new enough to accept new host keys by itself."""
    found = ssh.judge_client(version)
    assert found.level == level
    assert what in found.what
    assert (found.fix is None) == (level == "ok")


CHANGED = HostKeyChanged(
    "shop shows another host key", cause="the known one is in F", hint="`ssh-keygen -R shop`"
)


@pytest.mark.parametrize(
    ("host_keys", "strict", "changed", "level", "fix"),
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
    host_keys: tuple[tuple[str, str], ...],
    strict: bool,
    changed: HostKeyChanged | None,
    level: str,
    fix: str | None,
) -> None:
    """A server is known, new, known by outdated keys as well, or presents another key."""
    (found,) = ssh.judge_known_hosts(host_keys, replace(ROUTE, strict=strict), changed)
    assert found.level == level
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


@pytest.mark.parametrize(
    ("error", "is_added"),
    [(None, True), (LoginRefused("no"), True), (ServerError("shop does not answer on port 22"), False)],
)
def test_a_new_host_key_is_added_on_connection(error: ServerError | None, is_added: bool) -> None:
    """OpenSSH adds it before it logs in; a server that does not answer has not presented one."""
    (found,) = ssh.judge_known_hosts((), ROUTE, error)
    assert found.what.endswith("was added") is is_added


@pytest.mark.parametrize(
    ("configuration", "environ", "jumps", "agent", "known_as"),
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
def test_the_route_is_read(
    configuration: str, environ: dict[str, str], jumps: bool, agent: str, known_as: str
) -> None:
    """From `ssh -G`: jump hosts, the agent's socket, and the name in known_hosts."""
    route = ssh.read_route(configuration, Target("shop"), environ)
    assert (route.jumps, route.agent, route.known_as) == (jumps, agent, known_as)


def test_hashed_names_are_found(tmp_path: Path) -> None:
    """known_hosts is searched by ssh-keygen, which finds hashed names too."""
    host = tmp_path / "host"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host], check=True)
    public = host.with_suffix(".pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority *.example {' '.join(public)}\n[127.0.0.1]:2200 {' '.join(public)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    target = Target("127.0.0.1", 2200, "me", tmp_path / "host", known)
    found = asyncio.run(ssh.inspect_ssh(target, os.environ))
    assert found.host_keys == (("ssh-ed25519", public[1]),)
