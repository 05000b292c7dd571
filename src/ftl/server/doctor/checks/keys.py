"""HERE, what opens the door: the key's file, and the keys in the agent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather2
from ftl.server.doctor.finding import Finding
from ftl.server.doctor.programs import printed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANY = 5
"""Keys in the agent from which on sshd's MaxAuthTries (6 by default) may end the login before the right one."""

_FINGERPRINT = re.compile(r"SHA256:\S+")
_PUBLIC = re.compile(rb"(ssh-|ecdsa-|sk-)\S+ AAAA")

KeyState = Literal["missing", "folder", "unreadable", "public", "open", "broken", "locked", "whole"]


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A private key's file.

    Attributes:
        state: "open": others may read it, so that ssh does not use it. "locked": it has a passphrase.
        fingerprint: "SHA256:..."; empty where it could not be told.
    """

    path: Path
    state: KeyState
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """The ssh agent: whether one answers, and the fingerprints of its keys."""

    answers: bool
    fingerprints: tuple[str, ...] = ()


NO_AGENT = Agent(answers=False)


# --- gathering ------------------------------------------------------------------------------------------


async def look_at(path: Path) -> KeyFile:
    """What a key's file is; ssh-keygen tells, and would refuse one that is open to others."""
    state = _file_state(path)
    if state is not None:
        return KeyFile(path, state)
    shown, opened = await gather2(
        printed(["ssh-keygen", "-l", "-f", str(path)]),
        printed(["ssh-keygen", "-y", "-P", "", "-f", str(path)]),
    )
    fingerprint = _FINGERPRINT.search(shown or "")
    found = fingerprint[0] if fingerprint else ""
    if opened is not None and _PUBLIC.match(opened.encode()):
        return KeyFile(path, "whole", found)
    return KeyFile(path, "locked" if "incorrect passphrase" in (opened or "") else "broken", found)


def _file_state(path: Path) -> KeyState | None:
    """What is wrong with a key's file before its content matters."""
    try:
        if path.is_dir():
            return "folder"
        mode = path.stat().st_mode
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    if _PUBLIC.match(head):
        return "public"
    return "open" if mode & 0o077 else None


async def ask_agent(socket: str) -> Agent:
    """Ask the agent for its keys (ssh-add(1)); an empty one answers, too."""
    said = await printed(["ssh-add", "-l"], agent=socket) if socket else None
    found = tuple(_FINGERPRINT.findall(said or ""))
    return Agent(answers=bool(found) or "no identities" in (said or ""), fingerprints=found)


# --- judging --------------------------------------------------------------------------------------------


def judge_keys(keys: Sequence[KeyFile], agent: Agent, login: str, *, named: bool) -> list[Finding]:
    """Every key that ssh would offer."""
    if not keys and not agent.fingerprints:
        return [
            Finding(
                "here",
                "key",
                "problem",
                "there is no SSH key: none in ~/.ssh, and none in an agent",
                f"`ssh-keygen -t ed25519`, then `ssh-copy-id {login}`",
            )
        ]
    if not keys:
        return [Finding("here", "key", "ok", "the keys are in the agent")]
    return [judge_key(key, agent, login, named=named) for key in keys]


def judge_key(key: KeyFile, agent: Agent, login: str, *, named: bool) -> Finding:
    """One key's file; one that ftl.yaml does not name is only one of several that ssh may offer."""
    path = quote(str(key.path))
    if key.state == "whole":
        return Finding("here", "key", "ok", f"{key.path}")
    if key.state == "locked":
        if key.fingerprint in agent.fingerprints:
            return Finding("here", "key", "ok", f"{key.path}, which the agent has unlocked")
        what = f"{key.path} has a passphrase, which is asked for each time"
        return Finding("here", "key", "warning", what, f"`ssh-add {path}`")
    what, fix = {
        "missing": (
            "is not there",
            f"correct `server.ssh_key`, or `ssh-keygen -t ed25519 -f {path}` and "
            f"`ssh-copy-id -i {path}.pub {login}`",
        ),
        "folder": ("is a folder", "name the private key in it in `server.ssh_key`"),
        "unreadable": ("cannot be read", f"`ls -l {path}` shows whose it is"),
        "public": ("is the public key", "name the private one in `server.ssh_key`, without .pub"),
        "open": ("can be read by others, so that ssh does not use it", f"`chmod 600 {path}`"),
        "broken": (
            "is no private key, or not whole",
            f"`ssh-keygen -y -f {path}` must print its other half",
        ),
    }[key.state]
    return Finding("here", "key", "problem" if named else "warning", f"{key.path} {what}", fix)


def judge_agent(agent: Agent, *, named: bool) -> list[Finding]:
    """The agent, where one answers: a key's file does without."""
    if not agent.answers:
        return []
    count = len(agent.fingerprints)
    if count > MANY and not named:
        what = f"the agent has {count} keys, and servers end a login after about six"
        return [Finding("here", "agent", "warning", what, "name the right key in `server.ssh_key`")]
    return [Finding("here", "agent", "ok", f"answers, with {count} {'key' if count == 1 else 'keys'}")]
