"""Checks of the SSH keys on this machine: their files, and those in the agent."""

from __future__ import annotations

import os
import re
from shlex import quote
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather2
from ftl.child import complete
from ftl.common.files import read_small_file
from ftl.dataclass import dataclass
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECONDS = 1.5
"""Limit for a program that answers from this machine's files: ssh, ssh-keygen, ssh-add."""

MANY = 5
"""Number of keys in the agent beyond which sshd may end a login (MaxAuthTries, default 6)."""

_FINGERPRINT = re.compile(r"SHA256:\S+")
_PUBLIC = re.compile(rb"(ssh-|ecdsa-|sk-)\S+ AAAA")

KeyState = Literal["missing", "folder", "unreadable", "public", "open", "broken", "locked", "whole"]


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A private key's file: "open" to other users, so ssh does not use it, or "locked".

    A locked one has a passphrase. The fingerprint, "SHA256:...", is empty where it could not be read.
    """

    path: Path
    state: KeyState
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class SshAgent:
    """The ssh agent: whether it answers, and the fingerprints of its keys."""

    answers: bool
    fingerprints: tuple[str, ...] = ()


NO_AGENT = SshAgent(answers=False)


async def output_of(argv: Sequence[str], *, agent: str | None = None) -> str | None:
    """Stdout and stderr of a program; None where it does not start, or takes too long."""
    env = None if agent is None else {**os.environ, "SSH_AUTH_SOCK": agent}
    try:
        done = await complete(argv, seconds=SECONDS, env=env)
    except (OSError, TimeoutError):
        return None
    return f"{done.text}{done.error_text}"


async def inspect_key(path: Path) -> KeyFile:
    """The state of a key's file, by ssh-keygen, which would refuse one that is open to others."""
    state = _file_state(path)
    if state is not None:
        return KeyFile(path, state)
    described, public = await gather2(
        output_of(["ssh-keygen", "-l", "-f", str(path)]),
        output_of(["ssh-keygen", "-y", "-P", "", "-f", str(path)]),
    )
    match = _FINGERPRINT.search(described or "")
    fingerprint = match[0] if match else ""
    if public is not None and _PUBLIC.match(public.encode()):
        return KeyFile(path, "whole", fingerprint)
    return KeyFile(path, "locked" if "incorrect passphrase" in (public or "") else "broken", fingerprint)


def _file_state(path: Path) -> KeyState | None:
    """The flaw of a key's file that does not depend on its content; None where it has none."""
    try:
        if path.is_dir():
            return "folder"
        mode = path.stat().st_mode
        head = read_small_file(path)[:64]
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    if _PUBLIC.match(head):
        return "public"
    return "open" if mode & 0o077 else None


async def inspect_agent(socket: str) -> SshAgent:
    """The agent's keys (ssh-add(1)); an empty agent answers too."""
    output = await output_of(["ssh-add", "-l"], agent=socket) if socket else None
    fingerprints = tuple(_FINGERPRINT.findall(output or ""))
    return SshAgent(
        answers=bool(fingerprints) or "no identities" in (output or ""), fingerprints=fingerprints
    )


def judge_keys(keys: Sequence[KeyFile], agent: SshAgent, login: str, *, configured: bool) -> list[Finding]:
    """Every key that ssh would offer.

    `login` is the arguments of `ssh` and `ssh-copy-id` for this server; `configured`: ftl.yaml names the key.
    """
    if not keys and not agent.fingerprints:
        what = "there is no SSH key: none in ~/.ssh, and none in an agent"
        fix = f"`ssh-keygen -t ed25519`, then `ssh-copy-id {login}`"
        return [Finding("here", "key", "problem", what, fix)]
    if not keys:
        return [Finding("here", "key", "ok", "the keys are in the agent")]
    return [judge_key(key, agent, login, configured=configured) for key in keys]


def judge_key(key: KeyFile, agent: SshAgent, login: str, *, configured: bool) -> Finding:
    """One key's file; one that ftl.yaml does not name is only one of several that ssh may offer."""
    path = quote(str(key.path))
    if key.state == "whole":
        return Finding("here", "key", "ok", f"{key.path}")
    if key.state == "locked":
        if key.fingerprint in agent.fingerprints:
            return Finding("here", "key", "ok", f"{key.path}, unlocked in the agent")
        what = f"{key.path} has a passphrase, which ssh asks for each time"
        return Finding("here", "key", "warning", what, f"`ssh-add {path}`")
    flaw, fix = {
        "missing": (
            "does not exist",
            f"correct `server.ssh_key`, or `ssh-keygen -t ed25519 -f {path}` and "
            f"`ssh-copy-id -i {path}.pub {login}`",
        ),
        "folder": ("is a folder", "name the private key in it in `server.ssh_key`"),
        "unreadable": ("cannot be read", f"`ls -l {path}` shows its owner and mode"),
        "public": ("is the public key", "name the private one in `server.ssh_key`, without .pub"),
        "open": ("is readable by other users, so ssh does not use it", f"`chmod 600 {path}`"),
        "broken": (
            "is not a private key, or is incomplete",
            f"`ssh-keygen -y -f {path}` must print its public key",
        ),
    }[key.state]
    return Finding("here", "key", "problem" if configured else "warning", f"{key.path} {flaw}", fix)


def judge_agent(agent: SshAgent, *, configured: bool) -> list[Finding]:
    """The agent, if one answers: a key in a file does not need it."""
    if not agent.answers:
        return []
    count = len(agent.fingerprints)
    if count > MANY and not configured:
        what = f"the agent has {count} keys, and servers end a login after about six"
        return [Finding("here", "agent", "warning", what, "name the right key in `server.ssh_key`")]
    return [Finding("here", "agent", "ok", f"answers, with {count} {'key' if count == 1 else 'keys'}")]
