"""HERE, the way in: ssh, the key, the agent and what known_hosts says of the server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ftl.aio import both, together
from ftl.child import complete
from ftl.server.doctor.finding import Finding
from ftl.ssh import target as options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.errors import HostKeyChanged
    from ftl.ssh import Target

SECONDS = 1.5
"""For a program of this machine that answers from its own files."""

OLDEST = (7, 6)
"""The first OpenSSH that knows StrictHostKeyChecking=accept-new."""

MANY = 5
"""Keys in the agent from which on sshd's MaxAuthTries (6 by default) may end the login before the right one."""

_FINGERPRINT = re.compile(r"SHA256:\S+")
_PUBLIC = re.compile(rb"(ssh-|ecdsa-|sk-)\S+ AAAA")
_ENTRY = re.compile(r"^(?!#)(?:@\S+ )?\S+ (?P<kind>\S+) (?P<key>AAAA\S+)", re.MULTILINE)

KeyState = Literal["missing", "folder", "unreadable", "public", "open", "broken", "locked", "whole"]


@dataclass(frozen=True, slots=True)
class Route:
    """The way to the server as ssh's own configuration describes it (`ssh -G`).

    Attributes:
        hostname: What ssh connects to: a name or an address.
        known_as: The server's name in known_hosts.
        jumps: Whether it goes through another machine or program.
        agent: The agent's socket; empty where there is none.
    """

    hostname: str
    user: str
    port: int
    strict: bool
    keys: tuple[Path, ...]
    known_as: str
    known_hosts: tuple[Path, ...]
    jumps: bool
    agent: str

    @property
    def login(self) -> str:
        """What follows `ssh` and `ssh-copy-id`."""
        return f"{'' if self.port == 22 else f'-p {self.port} '}{self.user}@{self.hostname}"


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


@dataclass(frozen=True, slots=True)
class Login:
    """All that was gathered about the way in. `route` is None where ssh cannot say it."""

    client: str | None
    route: Route | None = None
    keys: tuple[KeyFile, ...] = ()
    agent: Agent = Agent(answers=False)
    entries: tuple[tuple[str, str], ...] = ()


# --- gathering ------------------------------------------------------------------------------------------


async def gather(target: Target | None, environ: Mapping[str, str]) -> Login:
    """Look at the client, the key, the agent and known_hosts; no connection is made.

    Args:
        target: The server; None: there is none, so that only the client can be looked at.
        environ: The process environment.
    """
    if target is None:
        return Login(await _printed(["ssh", "-V"]))
    client, answer = await both(
        _printed(["ssh", "-V"]), _printed(["ssh", "-G", *options.options(target), "--", target.address])
    )
    if client is None or answer is None:
        return Login(client)
    route = read_route(answer, target, environ)
    paths = [target.key] if target.key is not None else [path for path in route.keys if path.exists()]
    looked, agent = await both(together(_key(path) for path in paths), _agent(route.agent))
    entries = await together(_entries(route.known_as, path) for path in route.known_hosts)
    return Login(client, route, tuple(looked), agent, tuple(entry for found in entries for entry in found))


def read_route(answer: str, target: Target, environ: Mapping[str, str]) -> Route:
    """Read `ssh -G`; see ssh_config(5) for the words."""
    words = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in answer.splitlines() if " " in line}
    resolved = options.resolved(answer)
    hostname = resolved.hostname or target.address
    alias = words.get("hostkeyalias", "")
    port = int(resolved.port)
    agent = words.get("identityagent", "SSH_AUTH_SOCK")
    files = [str(target.known_hosts)] if target.known_hosts else words.get("userknownhostsfile", "").split()
    return Route(
        hostname=hostname,
        user=resolved.user,
        port=port,
        strict=resolved.strict,
        keys=tuple(Path(key).expanduser() for key in resolved.keys),
        known_as=alias or (hostname if port == 22 else f"[{hostname}]:{port}"),
        known_hosts=tuple(path for file in files if (path := Path(file.strip('"')).expanduser()).is_file()),
        jumps=any(words.get(word, "none") != "none" for word in ("proxyjump", "proxycommand")),
        agent={"SSH_AUTH_SOCK": environ.get("SSH_AUTH_SOCK", ""), "none": ""}.get(agent, agent),
    )


async def _printed(argv: Sequence[str], *, agent: str | None = None) -> str | None:
    """Both outputs of a program, whatever its status; None where it does not run, or on and on."""
    env = None if agent is None else {**os.environ, "SSH_AUTH_SOCK": agent}
    try:
        done = await complete(argv, seconds=SECONDS, env=env)
    except (OSError, TimeoutError):
        return None
    return (done.stdout + done.stderr).decode(errors="replace")


async def _key(path: Path) -> KeyFile:
    """What a key's file is; ssh-keygen tells, and would refuse one that is open to others."""
    state = _file_state(path)
    if state is not None:
        return KeyFile(path, state)
    shown, opened = await both(
        _printed(["ssh-keygen", "-l", "-f", str(path)]),
        _printed(["ssh-keygen", "-y", "-P", "", "-f", str(path)]),
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
        mode, head = path.stat().st_mode, path.open("rb").read(64)
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    if _PUBLIC.match(head):
        return "public"
    return "open" if mode & 0o077 else None


async def _agent(socket: str) -> Agent:
    """Ask the agent for its keys (ssh-add(1)); an empty one answers, too."""
    said = await _printed(["ssh-add", "-l"], agent=socket) if socket else None
    found = tuple(_FINGERPRINT.findall(said or ""))
    return Agent(answers=bool(found) or "no identities" in (said or ""), fingerprints=found)


async def _entries(name: str, file: Path) -> list[tuple[str, str]]:
    """The host keys that a file has for a name, also where names are hashed: (kind, key)."""
    said = await _printed(["ssh-keygen", "-F", name, "-f", str(file)])
    return [(found["kind"], found["key"]) for found in _ENTRY.finditer(said or "")]


# --- judging --------------------------------------------------------------------------------------------


def judge(login: Login, *, named: bool, changed: HostKeyChanged | None) -> list[Finding]:
    """What there is to say about the way in.

    Args:
        login: What was gathered.
        named: Whether ftl.yaml names the key.
        changed: What ssh said if the server showed another host key than the known one.
    """
    findings = [judge_client(login.client)]
    if login.route is not None:
        findings += judge_keys(login.keys, login.agent, login.route, named=named)
        findings += judge_agent(login.agent, named=named)
        findings += judge_known(login.entries, login.route, changed)
    return findings


def judge_client(version: str | None) -> Finding:
    """The ssh client; `version` is what `ssh -V` prints."""
    if version is None:
        return Finding(
            "here", "ssh", "problem", "there is no `ssh` on this machine", "`apt-get install openssh-client`"
        )
    found = re.search(r"OpenSSH_(\d+)\.(\d+)\S*", version)
    if found is None:
        return Finding(
            "here", "ssh", "warning", "this `ssh` is not OpenSSH", "`apt-get install openssh-client`"
        )
    if (int(found[1]), int(found[2])) < OLDEST:
        what = f"{found[0]} is too old: FTL needs 7.6 or newer"
        return Finding("here", "ssh", "problem", what, "`apt-get install openssh-client` on a newer system")
    return Finding("here", "ssh", "ok", found[0].replace("_", " ").rstrip(","))


def judge_keys(keys: Sequence[KeyFile], agent: Agent, route: Route, *, named: bool) -> list[Finding]:
    """Every key that ssh would offer."""
    if not keys and not agent.fingerprints:
        return [
            Finding(
                "here",
                "key",
                "problem",
                "there is no SSH key: none in ~/.ssh, and none in an agent",
                f"`ssh-keygen -t ed25519`, then `ssh-copy-id {route.login}`",
            )
        ]
    if not keys:
        return [Finding("here", "key", "ok", "the keys are in the agent")]
    return [judge_key(key, agent, route, named=named) for key in keys]


def judge_key(key: KeyFile, agent: Agent, route: Route, *, named: bool) -> Finding:
    """One key's file; one that ftl.yaml does not name is only one of several that ssh may offer."""
    if key.state == "whole":
        return Finding("here", "key", "ok", f"{key.path}")
    if key.state == "locked":
        if key.fingerprint in agent.fingerprints:
            return Finding("here", "key", "ok", f"{key.path}, which the agent has unlocked")
        what = f"{key.path} has a passphrase, which is asked for each time"
        return Finding("here", "key", "warning", what, f"`ssh-add {key.path}`")
    what, fix = {
        "missing": (
            "is not there",
            f"correct `server.ssh_key`, or `ssh-keygen -t ed25519 -f {key.path}` and "
            f"`ssh-copy-id -i {key.path}.pub {route.login}`",
        ),
        "folder": ("is a folder", "name the private key in it in `server.ssh_key`"),
        "unreadable": ("cannot be read", f"`ls -l {key.path}` shows whose it is"),
        "public": ("is the public key", "name the private one in `server.ssh_key`, without .pub"),
        "open": ("can be read by others, so that ssh does not use it", f"`chmod 600 {key.path}`"),
        "broken": (
            "is no private key, or not whole",
            f"`ssh-keygen -y -f {key.path}` must print its other half",
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


def judge_known(
    entries: Sequence[tuple[str, str]], route: Route, changed: HostKeyChanged | None
) -> list[Finding]:
    """What known_hosts says of the server."""
    name = route.known_as
    if changed is not None:
        what = f"{changed.message}: {changed.cause}" if changed.cause else changed.message
        return [Finding("here", "known_hosts", "problem", what, changed.hint)]
    if not entries and route.strict:
        what = f"{name} is not known, and ~/.ssh/config lets only known servers pass"
        return [Finding("here", "known_hosts", "problem", what, f"`ssh {route.login}` shows its fingerprint")]
    if not entries:
        return [Finding("here", "known_hosts", "ok", f"{name} is new: its host key is remembered")]
    kinds = [kind for kind, _ in set(entries)]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        what = f"several {' and '.join(twice)} keys are known for {name}: all but one are old"
        fix = f"`ssh-keygen -R '{name}'`, then `ssh {route.login}`, comparing the fingerprint"
        return [Finding("here", "known_hosts", "warning", what, fix)]
    return [Finding("here", "known_hosts", "ok", f"{name} is known")]
