"""Reader of the output of scripts/observe.sh."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.engine.calls.swarm import parse_state
from ftl.errors import ServerError
from ftl.server.facts.reader import FactLines
from ftl.server.setup.observe.reachable import published_ports, reachable_ports
from ftl.server.setup.observe.state import (
    ClusterFacts,
    DeployAccount,
    InstalledFirewall,
    ObservedServer,
    OperatingSystem,
    RunningEngine,
    ServerAddress,
    SshServer,
)
from ftl.server.setup.ports import VPN

if TYPE_CHECKING:
    from collections.abc import Sequence


def read(output: str, *, name: str) -> ObservedServer:
    """Read the output of observe.sh.

    Raises:
        ServerError: The script did not run to its end, or did not find what setup needs to know.
    """
    facts = FactLines(output)
    if "end" not in facts:
        raise ServerError(
            f"{name} could not be examined",
            cause="the script that examines it ended early",
            hint="does `sh` run there, as root, without a login script that ends it?",
        )
    if "ufw-silent" in facts:
        raise ServerError(
            f"ufw does not answer on {name}, so its rules are unknown",
            cause="`ufw status` failed repeatedly; other programs may be changing the firewall",
            hint=f"see `sudo ufw status` on the server, then run {ftl('setup')} again",
        )
    try:
        return _observed(facts)
    except (ValueError, IndexError) as error:
        raise ServerError(f"{name} reported facts that cannot be read", cause=str(error)) from error


def _observed(facts: FactLines) -> ObservedServer:
    disk = facts.disk()
    wireguard = frozenset((int(port), "udp") for port in facts.all("wireguard") if port != "0")
    tcp, udp = (reachable_ports(facts.sockets(protocol), protocol) for protocol in ("tcp", "udp"))
    listening = tcp | udp | wireguard
    return ObservedServer(
        login=_required(facts, "login"),
        user=_required(facts, "user"),
        system=_system(facts.os_release(), facts.first("architecture")),
        systemd="systemd" in facts,
        free=disk.free if disk is not None else 0,
        swap=facts.memory().get("SwapTotal", 0),
        packages=frozenset(facts.all("package")),
        cron="cron" in facts,
        disabled=frozenset(facts.all("disabled")),
        auto_upgrades=facts.blob("auto-upgrades"),
        dockerd=facts.first("dockerd") or None,
        has_docker="docker" in facts,
        daemon_json=facts.blob("daemon"),
        engine=_engine(facts.first("engine").split()),
        engine_arguments=facts.blob_lines("engine-arguments"),
        account=_account(facts),
        sshd=_sshd(facts),
        ufw_rules=facts.blob_lines("ufw") if "ufw" in facts else None,
        firewalld="firewalld" in facts,
        firewall=InstalledFirewall(
            conf=facts.blob("firewall-conf"),
            script=facts.blob("firewall-script"),
            unit=facts.blob("firewall-unit"),
            enabled="firewall-enabled" in facts,
            in_force="firewall-in-force" in facts,
        ),
        listening=listening,
        vpn_ports=listening & (VPN | wireguard),
        foreign_ports=published_ports(facts.all("foreign-ports")),
        ftl_ports=published_ports(facts.all("ftl-ports")),
        cluster=_cluster(facts),
    )


def _cluster(facts: FactLines) -> ClusterFacts:
    clock, engine = facts.first("clock"), facts.first("engine-id").split()
    return ClusterFacts(
        addresses=tuple(filter(None, map(_address, facts.all("address")))),
        clock_ahead=int(clock) - time.time() if clock.isdecimal() else 0.0,
        engine_id=engine[0] if engine else "",
        version=engine[1] if len(engine) > 1 else "",
        swarm=parse_state(facts.first("swarm")),
        nodes=frozenset(facts.all("swarm-node")),
        stored_node=facts.first("cluster-node"),
    )


def _address(text: str) -> ServerAddress | None:
    """An address that containers of the server itself do not have: "10.0.0.2/24 1500 eth0"."""
    network, mtu, interface = ([*text.split(), "", ""])[:3]
    if interface.startswith(("docker", "br-", "veth", "ftl-")):
        return None
    return ServerAddress(network.partition("/")[0], network, int(mtu) if mtu.isdecimal() else 0)


def _required(facts: FactLines, name: str) -> str:
    value = facts.first(name)
    if not value:
        raise ValueError(f"there is no fact `{name}`")
    return value


def _system(release: dict[str, str], architecture: str) -> OperatingSystem:
    return OperatingSystem(
        id=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        name=release.get("PRETTY_NAME") or release.get("ID") or "an unknown system",
        architecture=architecture,
    )


def _engine(words: Sequence[str]) -> RunningEngine | None:
    """The engine; newer docker commands print some words and succeed also for one that is down (26.1)."""
    if len(words) != 3:
        return None
    return RunningEngine(
        live_restore=words[0] == "true", swarm=words[1] != "inactive", containers=int(words[2])
    )


def _account(facts: FactLines) -> DeployAccount | None:
    if "account" not in facts:
        return None
    home = facts.first("account").split(":")[5]
    return DeployAccount(home, frozenset(facts.first("groups").split()), sudoer="sudoer" in facts)


def _sshd(facts: FactLines) -> SshServer:
    ports = [int(port) for port in facts.all("ssh-port") if port.isdecimal()]
    connection = facts.first("connection").split()
    if len(connection) == 4:
        ports.append(int(connection[3]))
    # "[::]:22 (Stream)", as systemctl shows a socket's Listen
    for word in facts.first("ssh-socket").split():
        port = word.rpartition(":")[2]
        if port.isdecimal():
            ports.append(int(port))
    password_settings = (
        "passwordauthentication",
        "kbdinteractiveauthentication",
        "challengeresponseauthentication",
    )
    return SshServer(
        ports=tuple(sorted(set(ports))),
        key_files=tuple(facts.all("keys-file")),
        authorised="authorised" in facts,
        includes="sshd-include" in facts,
        root_login=facts.first("permitrootlogin"),
        password_login=any(facts.first(name) == "yes" for name in password_settings),
        unread=tuple(facts.all("sshd-unread")),
        exceptions=tuple(facts.all("sshd-exception")),
    )
