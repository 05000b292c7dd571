"""`ftl setup --harden` on a server whose sshd does not do what its files say."""

from __future__ import annotations

import subprocess
import time
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

DROP_IN = "/etc/ssh/sshd_config.d/00-ftl.conf"


def logins(server: Server, user: str) -> str:
    """The logins that the running sshd offers."""
    argv = [*server.ssh("-o", "PreferredAuthentications=none", user=user), "true"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return done.stderr.rpartition("(")[2].partition(")")[0]


def reload(server: Server) -> None:
    """Have sshd read its files again, and wait until it has."""
    server.run("sh", "-c", "touch -d '1 hour ago' /run/sshd.pid && kill -s HUP $(cat /run/sshd.pid)")
    over = time.monotonic() + 20
    while server.run("find", "/run/sshd.pid", "-mmin", "-10", check=False).stdout == b"":
        assert time.monotonic() < over
        time.sleep(0.1)


@pytest.mark.parametrize("suite", ["bullseye", "trixie"])
def test_only_what_the_running_sshd_does_counts(
    suite: str, server_factory: ServerFactory, ftl: Callable[..., Project]
) -> None:
    """Files that it has not read are refused; what another file or another sshd leaves open is not called closed."""
    is_bare = suite == "bullseye"
    own = server_factory("unread", suite=suite, bare=is_bare)
    app = lab_project(ftl, own)
    if is_bare:
        app.config["server"]["user"] = "deploy"
    else:
        own.run("sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
    user = "deploy" if is_bare else own.user
    own.write("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n")
    reload(own)
    app.run("setup", "--json").ok()
    assert "password" in logins(own, user)

    # A port that nobody has tried: the reload would take it into use, and this one away.
    own.write("/etc/ssh/sshd_config.d/60-port.conf", "Port 2222\n")
    refused = app.run("setup", "--harden", "--json")
    assert refused.exit_code == 1, refused
    assert "has not read /etc/ssh/sshd_config.d" in refused.result["error"]["message"]
    own.run("rm", "/etc/ssh/sshd_config.d/60-port.conf")

    # Passwords by another way than PasswordAuthentication, in a file that sshd reads before ours.
    own.run("sed", "-i", "1i KbdInteractiveAuthentication yes\\nUsePAM yes", "/etc/ssh/sshd_config")
    reload(own)
    refused = app.run("setup", "--harden", "--json")
    assert refused.exit_code == 1, refused
    assert "is not in effect" in str(refused.result["error"])
    assert "keyboard-interactive" in logins(own, user)
    assert own.run("test", "-e", DROP_IN, check=False).returncode
    own.run("sed", "-i", "1,2d", "/etc/ssh/sshd_config")
    reload(own)

    app.run("setup", "--harden", "--json").ok()
    assert logins(own, user) == logins(own, "root") == "publickey"
    assert app.run("setup", "--harden", "--json").ok().result["changes"] == []

    # Its files say that it is closed, and it is not: somebody has started it with other settings.
    listening = "/usr/sbin/sshd -o PasswordAuthentication=yes"
    own.run("sh", "-c", f"kill $(cat /run/sshd.pid); sleep 1; {listening}")
    refused = app.run("setup", "--harden", "--json")
    assert refused.exit_code == 1, refused
    assert "by other means than a key" in refused.result["error"]["message"]
