"""What a server is and has before `ftl setup` touches it: what scripts/observe.sh says, read into values."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.server.setup.observe import reachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.server.setup.ports import Port

Facts = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """What runs on the machine, from /etc/os-release.

    Attributes:
        id: "debian", "ubuntu".
        version: "12", "24.04"; empty for one that has none (Debian's testing).
        codename: "bookworm".
        name: For people.
        architecture: Debian's word: "amd64", "arm64".
    """

    id: str
    version: str
    codename: str
    name: str
    architecture: str


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """A Docker engine that answers.

    Attributes:
        live_restore: Whether its containers outlive it.
        swarm: Whether it is part of a swarm, which knows no live-restore.
        containers: How many run.
    """

    live_restore: bool
    swarm: bool
    containers: int


@dataclass(frozen=True, slots=True)
class DeployAccount:
    """The deploy user, who is there.

    Attributes:
        sudoer: Whether this user becomes root by sudo, without a password or, as just now, with one.
    """

    home: str
    groups: frozenset[str]
    sudoer: bool


@dataclass(frozen=True, slots=True)
class SshServer:
    """The SSH server.

    Attributes:
        ports: All it listens on: those it is configured for, its socket's, and the one that we came in by.
        key_files: Its AuthorizedKeysFile, one pattern each.
        authorised: Whether one of our keys lets the deploy user in.
        includes: Whether it reads the files of sshd_config.d.
        root_login: PermitRootLogin: "no", "yes", "prohibit-password".
        password_login: Whether it lets anybody in by a password.
    """

    ports: tuple[int, ...]
    key_files: tuple[str, ...]
    authorised: bool
    includes: bool
    root_login: str
    password_login: bool


@dataclass(frozen=True, slots=True)
class InstalledFirewall:
    """FTL's own files there, and whether their rules are in force.

    Attributes:
        rules: /etc/ftl/firewall.conf.
        enabled: Whether systemd starts it at boot.
        holds: Whether iptables has what was applied last.
    """

    rules: bytes | None
    script: bytes | None
    unit: bytes | None
    enabled: bool
    holds: bool


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """A server.

    Attributes:
        login: Who we are there (before sudo).
        user: Who deploys: the one asked for, else `login`.
        systemd: Whether it is the init system.
        free: Bytes free below /var.
        swap: Bytes of swap.
        packages: Which of those that setup may want are installed.
        auto_upgrades: Content of apt's 20auto-upgrades.
        dockerd: Its path; None: no engine is installed.
        has_docker: Whether the docker command is there, which Debian 13 has in a package of its own.
        daemon: Content of /etc/docker/daemon.json.
        engine: None: none answers.
        engine_arguments: The running engine's command line.
        account: None: the deploy user is not there.
        ufw: Its rules, as `ufw show added` has them; None: it is not active.
        firewalld: Whether it runs.
        listening: What listens for the outside.
        tunnels: Those of it by which VPNs come in.
        published: What containers that are not FTL's publish to the outside.
        forwarded: What FTL's do.
    """

    login: str
    user: str
    system: OperatingSystem
    systemd: bool
    free: int
    memory: int
    swap: int
    packages: frozenset[str]
    auto_upgrades: bytes | None
    dockerd: str | None
    has_docker: bool
    daemon: bytes | None
    engine: RunningEngine | None
    engine_arguments: tuple[str, ...]
    account: DeployAccount | None
    sshd: SshServer
    ufw: tuple[str, ...] | None
    firewalld: bool
    firewall: InstalledFirewall
    listening: frozenset[Port]
    tunnels: frozenset[Port]
    published: frozenset[Port]
    forwarded: frozenset[Port]


def read(output: bytes, *, name: str) -> ObservedServer:
    """Read what the script said.

    Raises:
        ServerError: It did not come to its end, or could not find out what it must know.
    """
    facts: Facts = {}
    for line in output.decode(errors="replace").splitlines():
        key, separator, value = line.partition("\t")
        if separator:
            facts.setdefault(key, []).append(value)
    if "end" not in facts:
        raise ServerError(
            f"{name} did not say what it has",
            cause="the script that looks at it ended early",
            hint="does `sh` run there, as root, without a login script that ends it?",
        )
    if "ufw-silent" in facts:
        raise ServerError(
            f"ufw does not answer on {name}, so its rules are not known",
            cause="`ufw status` failed again and again; other programs may be changing the firewall",
            hint="look at `sudo ufw status` there, and run this again",
        )
    try:
        return _observed(facts)
    except (ValueError, IndexError, KeyError, binascii.Error) as error:
        raise ServerError(f"{name} says of itself what makes no sense", cause=str(error)) from error


def _observed(facts: Facts) -> ObservedServer:
    engine = _first(facts, "engine")
    ufw = _blob(facts, "ufw")
    wireguard = {(int(port), "udp") for port in facts.get("wireguard", ()) if port != "0"}
    listening = reachable.listening(_lines(_blob(facts, "listening")), wireguard)
    return ObservedServer(
        login=facts["login"][0],
        user=facts["user"][0],
        system=_system(_blob(facts, "os-release") or b"", _first(facts, "architecture") or ""),
        systemd="systemd" in facts,
        free=int(_first(facts, "free") or 0),
        memory=int(_first(facts, "memory") or 0),
        swap=int(_first(facts, "swap") or 0),
        packages=frozenset(facts.get("package", ())),
        auto_upgrades=_blob(facts, "auto-upgrades"),
        dockerd=_first(facts, "dockerd"),
        has_docker="docker" in facts,
        daemon=_blob(facts, "daemon"),
        engine=_engine(engine.split()) if engine else None,
        engine_arguments=_lines(_blob(facts, "engine-arguments")),
        account=_account(facts),
        sshd=_sshd(facts),
        ufw=None if ufw is None else _lines(ufw),
        firewalld="firewalld" in facts,
        firewall=InstalledFirewall(
            rules=_blob(facts, "firewall-rules"),
            script=_blob(facts, "firewall-script"),
            unit=_blob(facts, "firewall-unit"),
            enabled="firewall-enabled" in facts,
            holds="firewall-holds" in facts,
        ),
        listening=listening,
        tunnels=listening & (reachable.TUNNELS | wireguard),
        published=reachable.published(facts.get("foreign-ports", ())),
        forwarded=reachable.published(facts.get("ftl-ports", ())),
    )


def _system(release: bytes, architecture: str) -> OperatingSystem:
    """Read /etc/os-release, which is shell text that is not run: NAME=value or NAME="value" (os-release(5))."""
    pairs = (line.partition("=") for line in release.decode(errors="replace").splitlines())
    fields = {name.strip(): _shown(value.strip().strip("\"'")) for name, _, value in pairs}
    return OperatingSystem(
        id=fields.get("ID", ""),
        version=fields.get("VERSION_ID", ""),
        codename=fields.get("VERSION_CODENAME", ""),
        name=fields.get("PRETTY_NAME") or fields.get("ID") or "an unknown system",
        architecture=architecture,
    )


def _shown(text: str) -> str:
    """Without what would move a terminal's cursor."""
    return "".join(character for character in text if character.isprintable())


def _engine(words: Sequence[str]) -> RunningEngine | None:
    """What an engine said; the docker command of newer ones says something of one that does not answer, too (26.1)."""
    if len(words) != 3:
        return None
    return RunningEngine(
        live_restore=words[0] == "true", swarm=words[1] != "inactive", containers=int(words[2])
    )


def _account(facts: Facts) -> DeployAccount | None:
    entry = _first(facts, "account")
    if entry is None:
        return None
    groups = frozenset((_first(facts, "groups") or "").split())
    return DeployAccount(home=entry.split(":")[5], groups=groups, sudoer="sudoer" in facts)


def _sshd(facts: Facts) -> SshServer:
    ports = [int(port) for port in facts.get("ssh-port", ()) if port.isdigit()]
    connection = (_first(facts, "connection") or "").split()
    if len(connection) == 4:
        ports.append(int(connection[3]))
    # "[::]:22 (Stream)", as systemctl shows a socket's Listen
    for word in (_first(facts, "ssh-socket") or "").split():
        port = word.rpartition(":")[2]
        if port.isdigit():
            ports.append(int(port))
    password = any(
        _first(facts, name) == "yes"
        for name in (
            "passwordauthentication",
            "kbdinteractiveauthentication",
            "challengeresponseauthentication",
        )
    )
    return SshServer(
        ports=tuple(sorted(set(ports))),
        key_files=tuple(facts.get("keys-file", ())),
        authorised="authorised" in facts,
        includes="sshd-include" in facts,
        root_login=_first(facts, "permitrootlogin") or "",
        password_login=password,
    )


def _first(facts: Mapping[str, Sequence[str]], name: str) -> str | None:
    return next(iter(facts.get(name, ())), None)


def _blob(facts: Facts, name: str) -> bytes | None:
    value = _first(facts, name)
    return None if value is None else base64.b64decode(value, validate=True)


def _lines(content: bytes | None) -> tuple[str, ...]:
    return tuple((content or b"").decode(errors="replace").splitlines())
