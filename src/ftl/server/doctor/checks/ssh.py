"""HERE, the way in: ssh, where its configuration leads, and what known_hosts says of the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.errors import HostKeyChanged, LoginRefused
from ftl.server.doctor.checks import keys
from ftl.server.doctor.checks.keys import NO_AGENT, Agent, KeyFile
from ftl.server.doctor.finding import Finding
from ftl.server.doctor.programs import printed
from ftl.ssh import target as options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.errors import ServerError
    from ftl.ssh.target import Target

OLDEST = (7, 6)
"""The first OpenSSH that knows StrictHostKeyChecking=accept-new."""

_ENTRY = re.compile(r"^(?!#)(?:@\S+ )?\S+ (?P<kind>\S+) (?P<key>AAAA\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SshRoute:
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
class SshInspection:
    """All that was gathered about the way in. `route` is None where ssh cannot say it."""

    client: str | None
    route: SshRoute | None = None
    keys: tuple[KeyFile, ...] = ()
    agent: Agent = NO_AGENT
    entries: tuple[tuple[str, str], ...] = ()


# --- gathering ------------------------------------------------------------------------------------------


async def inspect_ssh(target: Target | None, environ: Mapping[str, str]) -> SshInspection:
    """Look at the client, the key, the agent and known_hosts; no connection is made.

    Args:
        target: The server; None: there is none, so that only the client can be looked at.
        environ: The process environment.
    """
    if target is None:
        return SshInspection(await printed(["ssh", "-V"]))
    client, answer = await gather2(
        printed(["ssh", "-V"]), printed(["ssh", "-G", *options.options(target), "--", target.address])
    )
    if client is None or answer is None:
        return SshInspection(client)
    route = read_route(answer, target, environ)
    paths = [target.key] if target.key is not None else [path for path in route.keys if path.exists()]
    looked, agent = await gather2(gather(keys.look_at(path) for path in paths), keys.ask_agent(route.agent))
    entries = await gather(_entries(route.known_as, path) for path in route.known_hosts)
    return SshInspection(
        client, route, tuple(looked), agent, tuple(entry for found in entries for entry in found)
    )


def read_route(answer: str, target: Target, environ: Mapping[str, str]) -> SshRoute:
    """Read `ssh -G`; see ssh_config(5) for the words."""
    words = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in answer.splitlines() if " " in line}
    resolved = options.resolved(answer)
    hostname = resolved.hostname or target.address
    alias = words.get("hostkeyalias", "")
    port = int(resolved.port)
    agent = words.get("identityagent", "SSH_AUTH_SOCK")
    files = [str(target.known_hosts)] if target.known_hosts else words.get("userknownhostsfile", "").split()
    return SshRoute(
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


async def _entries(name: str, file: Path) -> list[tuple[str, str]]:
    """The host keys that a file has for a name, also where names are hashed: (kind, key)."""
    said = await printed(["ssh-keygen", "-F", name, "-f", str(file)])
    return [(found["kind"], found["key"]) for found in _ENTRY.finditer(said or "")]


# --- judging --------------------------------------------------------------------------------------------


def judge(way: SshInspection, *, named: bool, refusal: ServerError | None) -> list[Finding]:
    """What there is to say about the way in.

    Args:
        way: What was gathered.
        named: Whether ftl.yaml names the key.
        refusal: Why the server could not be looked at, if so.
    """
    findings = [judge_client(way.client)]
    if way.route is not None:
        findings += keys.judge_keys(way.keys, way.agent, way.route.login, named=named)
        findings += keys.judge_agent(way.agent, named=named)
        findings += judge_known(way.entries, way.route, refusal)
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


def judge_known(
    entries: Sequence[tuple[str, str]], route: SshRoute, refusal: ServerError | None
) -> list[Finding]:
    """What known_hosts says of the server, or ssh where it showed another host key than the known one."""
    name = route.known_as
    if isinstance(refusal, HostKeyChanged):
        what = f"{refusal.message}: {refusal.cause}" if refusal.cause else refusal.message
        return [Finding("here", "known_hosts", "problem", what, refusal.hint)]
    if not entries and route.strict:
        what = f"{name} is not known, and ~/.ssh/config lets only known servers pass"
        return [Finding("here", "known_hosts", "problem", what, f"`ssh {route.login}` shows its fingerprint")]
    if not entries:
        met = refusal is None or isinstance(refusal, LoginRefused)
        when = "its host key is remembered" if met else "its host key will be remembered when it answers"
        return [Finding("here", "known_hosts", "ok", f"{name} is new: {when}")]
    kinds = [kind for kind, _ in set(entries)]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        what = f"several {' and '.join(twice)} keys are known for {name}: all but one are old"
        fix = f"`ssh-keygen -R '{name}'`, then `ssh {route.login}`, comparing the fingerprint"
        return [Finding("here", "known_hosts", "warning", what, fix)]
    return [Finding("here", "known_hosts", "ok", f"{name} is known")]
