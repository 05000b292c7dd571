"""Sample servers for the planner, which is pure: no connection is made."""

from __future__ import annotations

from dataclasses import replace

from ftl.server.setup import scripts
from ftl.server.setup.observe.state import (
    DeployAccount,
    InstalledFirewall,
    ObservedServer,
    OperatingSystem,
    RunningEngine,
    SshServer,
)
from ftl.server.setup.plan.firewall import firewall_conf
from ftl.server.setup.ports import WEB

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWKXYvRgc8nQCvqNOGCB3xEHk4mmSQNcMqRBRrCAYVm me@laptop"
BOOKWORM = OperatingSystem("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", "amd64")
SETTINGS = (
    b'{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}'
)

BARE = ObservedServer(
    login="root",
    user="deploy",
    system=BOOKWORM,
    systemd=True,
    free=20_000_000_000,
    swap=0,
    packages=frozenset({"ca-certificates", "iptables", "cron", "tzdata"}),
    cron=True,
    disabled=frozenset(),
    auto_upgrades=None,
    dockerd=None,
    has_docker=False,
    daemon_json=None,
    engine=None,
    engine_arguments=(),
    account=None,
    sshd=SshServer(
        ports=(22,),
        key_files=(".ssh/authorized_keys", ".ssh/authorized_keys2"),
        authorised=False,
        includes=True,
        root_login="yes",
        password_login=True,
    ),
    ufw_rules=None,
    firewalld=False,
    firewall=InstalledFirewall(conf=None, script=None, unit=None, enabled=False, in_force=False),
    listening=frozenset({(22, "tcp")}),
    vpn_ports=frozenset(),
    foreign_ports=frozenset(),
    ftl_ports=frozenset(),
)
"""A freshly rented machine: root logs in."""

READY = replace(
    BARE,
    packages=frozenset({"ca-certificates", "iptables", "zstd", "cron", "tzdata"}),
    dockerd="/usr/bin/dockerd",
    has_docker=True,
    daemon_json=SETTINGS,
    engine=RunningEngine(live_restore=True, swarm=False, containers=3),
    engine_arguments=("/usr/bin/dockerd", "-H", "fd://"),
    account=DeployAccount("/home/deploy", frozenset({"deploy", "docker"}), sudoer=False),
    sshd=replace(BARE.sshd, authorised=True),
    firewall=InstalledFirewall(
        conf=firewall_conf(None, WEB, left=((22, "tcp"),), owner="own"),
        script=scripts.firewall(),
        unit=scripts.firewall_unit(),
        enabled=True,
        in_force=True,
    ),
)
"""The same after `ftl setup`."""
