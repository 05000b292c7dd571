"""Checks of ssh on this machine: the client, its configuration, and known_hosts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.errors import HostKeyChanged, LoginRefused
from ftl.server.doctor.checks import keys
from ftl.server.doctor.checks.keys import NO_AGENT, KeyFile, SshAgent, output_of
from ftl.server.doctor.finding import Finding
from ftl.ssh import target as options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.errors import ServerError
    from ftl.ssh.target import Target

OLDEST = (7, 6)
"""The first OpenSSH with StrictHostKeyChecking=accept-new."""

_KNOWN_HOST = re.compile(r"^(?!#)(?:@\S+ )?\S+ (?P<kind>\S+) (?P<key>AAAA\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SshRoute:
    """The route to the server by ssh's own configuration (`ssh -G`).

    Attributes:
        hostname: The name or address that ssh connects to.
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
        """The arguments of `ssh` and `ssh-copy-id` for this server."""
        return f"{'' if self.port == 22 else f'-p {self.port} '}{self.user}@{self.hostname}"


@dataclass(frozen=True, slots=True)
class SshInspection:
    """The information gathered about ssh on this machine.

    Attributes:
        client: The output of `ssh -V`; None where there is no ssh.
        route: None where ssh does not print it.
        host_keys: The server's known host keys: (type, key).
    """

    client: str | None
    route: SshRoute | None = None
    keys: tuple[KeyFile, ...] = ()
    agent: SshAgent = NO_AGENT
    host_keys: tuple[tuple[str, str], ...] = ()


async def inspect_ssh(target: Target | None, environ: Mapping[str, str]) -> SshInspection:
    """Inspect the client, the keys, the agent and known_hosts, without connecting.

    Without a target there is no server: then only the client is inspected.
    """
    if target is None:
        return SshInspection(await output_of(["ssh", "-V"]))
    client, configuration = await gather2(
        output_of(["ssh", "-V"]), output_of(["ssh", "-G", *options.options(target), "--", target.address])
    )
    if client is None or configuration is None:
        return SshInspection(client)
    route = read_route(configuration, target, environ)
    paths = [target.key] if target.key is not None else [path for path in route.keys if path.exists()]
    key_files, agent = await gather2(
        gather(keys.inspect_key(path) for path in paths), keys.inspect_agent(route.agent)
    )
    host_keys = await gather(_host_keys(route.known_as, path) for path in route.known_hosts)
    return SshInspection(
        client, route, tuple(key_files), agent, tuple(key for in_file in host_keys for key in in_file)
    )


def read_route(configuration: str, target: Target, environ: Mapping[str, str]) -> SshRoute:
    """Read the output of `ssh -G`; ssh_config(5) lists its keywords."""
    lines = (line for line in configuration.splitlines() if " " in line)
    settings = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines}
    resolved = options.resolved(configuration)
    hostname = resolved.hostname or target.address
    alias = settings.get("hostkeyalias", "")
    port = int(resolved.port)
    agent = settings.get("identityagent", "SSH_AUTH_SOCK")
    files = (
        [str(target.known_hosts)] if target.known_hosts else settings.get("userknownhostsfile", "").split()
    )
    return SshRoute(
        hostname=hostname,
        user=resolved.user,
        port=port,
        strict=resolved.strict,
        keys=tuple(Path(key).expanduser() for key in resolved.keys),
        known_as=alias or (hostname if port == 22 else f"[{hostname}]:{port}"),
        known_hosts=tuple(path for file in files if (path := Path(file.strip('"')).expanduser()).is_file()),
        jumps=any(settings.get(keyword, "none") != "none" for keyword in ("proxyjump", "proxycommand")),
        agent={"SSH_AUTH_SOCK": environ.get("SSH_AUTH_SOCK", ""), "none": ""}.get(agent, agent),
    )


async def _host_keys(name: str, file: Path) -> list[tuple[str, str]]:
    """The host keys that a file has for a name, also where names are hashed: (type, key)."""
    output = await output_of(["ssh-keygen", "-F", name, "-f", str(file)])
    return [(match["kind"], match["key"]) for match in _KNOWN_HOST.finditer(output or "")]


def judge(inspection: SshInspection, *, configured: bool, error: ServerError | None) -> list[Finding]:
    """The findings about ssh on this machine.

    `configured`: ftl.yaml names the key; `error`: why the server could not be reached, if so.
    """
    findings = [judge_client(inspection.client)]
    route = inspection.route
    if route is not None:
        findings += keys.judge_keys(inspection.keys, inspection.agent, route.login, configured=configured)
        findings += keys.judge_agent(inspection.agent, configured=configured)
        findings += judge_known_hosts(inspection.host_keys, route, error)
    return findings


def judge_client(version: str | None) -> Finding:
    """The ssh client, by the output of `ssh -V`."""
    install = "`apt-get install openssh-client`"
    if version is None:
        return Finding("here", "ssh", "problem", "`ssh` is not installed on this machine", install)
    match = re.search(r"OpenSSH_(\d+)\.(\d+)\S*", version)
    if match is None:
        return Finding("here", "ssh", "warning", "this `ssh` is not OpenSSH", install)
    if (int(match[1]), int(match[2])) < OLDEST:
        what = f"{match[0]} is too old: FTL needs 7.6 or newer"
        return Finding("here", "ssh", "problem", what, f"{install} on a newer system")
    return Finding("here", "ssh", "ok", match[0].replace("_", " ").rstrip(","))


def judge_known_hosts(
    host_keys: Sequence[tuple[str, str]], route: SshRoute, error: ServerError | None
) -> list[Finding]:
    """The server's host keys in known_hosts, or the error where it presented another one."""
    name = route.known_as
    if isinstance(error, HostKeyChanged):
        return [Finding("here", "known_hosts", "problem", error.summary, error.hint)]
    if not host_keys and route.strict:
        what = f"{name} is unknown, and ~/.ssh/config accepts only known servers"
        return [Finding("here", "known_hosts", "problem", what, f"`ssh {route.login}` shows its fingerprint")]
    if not host_keys:
        connected = error is None or isinstance(error, LoginRefused)
        added = "its host key was added" if connected else "its host key will be added when it answers"
        return [Finding("here", "known_hosts", "ok", f"{name} is new: {added}")]
    kinds = [kind for kind, _ in set(host_keys)]
    duplicates = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if duplicates:
        what = f"there are several {' and '.join(duplicates)} keys for {name}: all but one are outdated"
        fix = f"`ssh-keygen -R '{name}'`, then `ssh {route.login}`, comparing the fingerprint"
        return [Finding("here", "known_hosts", "warning", what, fix)]
    return [Finding("here", "known_hosts", "ok", f"{name} is known")]
