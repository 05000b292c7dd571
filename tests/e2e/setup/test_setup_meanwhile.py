"""`ftl setup` while somebody else changes the files of the server that it has read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from lab.servers import INIT_SCRIPT, PUT_INIT_SCRIPT
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.engine]


def change_during(server: Server, program: str, change: str) -> None:
    """Have somebody make a change of the server once setup runs a program there."""
    own = f"/usr/local/sbin/{program}"
    real = server.run("sh", "-c", f"command -v {program}").stdout.decode().strip()
    server.write(own, f'#!/bin/sh\nrm {own}\n{change}\nexec {real} "$@"\n')
    server.run("chmod", "755", own)


def test_what_somebody_changes_meanwhile_is_kept(
    server_factory: ServerFactory, ftl: Callable[..., Project]
) -> None:
    """Docker's settings and the firewall's ports: setup stops before it loses them, and keeps them the next time."""
    own = server_factory("meanwhile")
    own.run("sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
    app = lab_project(ftl, own)
    own.run("dpkg", "--purge", "zstd")  # so that apt runs after the look at the server
    own.write("/etc/docker/daemon.json", "{}")
    theirs = {"dns": ["192.0.2.1"]}
    change_during(own, "apt-get", f"echo '{json.dumps(theirs)}' > /etc/docker/daemon.json")
    refused = app.run("setup", "--json")
    assert refused.exit_code == 1, refused
    error = refused.result["error"]
    assert error["place"]["step"] == "write_daemon_settings"
    assert "/etc/docker/daemon.json was changed meanwhile" in error["cause"]
    assert "again" in error["hint"]
    assert json.loads(own.run("cat", "/etc/docker/daemon.json").stdout) == theirs

    app.run("setup", "--json").ok()
    settings = json.loads(own.run("cat", "/etc/docker/daemon.json").stdout)
    assert (settings["dns"], settings["live-restore"]) == (theirs["dns"], True)

    change_during(own, "iptables-restore", "echo 'allow 8097/tcp' >> /etc/ftl/firewall.conf")
    refused = app.run("setup", "--json", "--allow", "8098")
    assert refused.exit_code == 1, refused
    assert "/etc/ftl/firewall.conf was changed meanwhile" in refused.result["error"]["cause"]
    rules = own.run("iptables", "-S", "FTL-INPUT").stdout
    assert b"--dport 8097 " in rules  # theirs is in force, and ours is not
    assert b"--dport 8098 " not in rules
    app.run("setup", "--json", "--allow", "8098").ok()
    conf = own.run("cat", "/etc/ftl/firewall.conf").stdout.decode().splitlines()
    assert {"allow 8097/tcp", "allow 8098/tcp"} <= set(conf)
