"""`ftl setup` on a server with symbolic links, secrets, odd user names and another setup."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.engine]

LINKED = """
mkdir -p /etc/docker /srv/conf
printf '{"debug": false}' > /srv/conf/daemon.json
chmod 600 /srv/conf/daemon.json
ln -s /srv/conf/daemon.json /etc/docker/daemon.json
useradd --create-home --shell /bin/bash jane.doe
install -d -o jane.doe /home/jane.doe/.ssh
ln -s /etc/sudoers /home/jane.doe/.ssh/authorized_keys
echo 'jane.doe ALL=(root) NOPASSWD: /bin/systemctl restart app' > /etc/sudoers.d/app
"""


def test_setup_cannot_be_misled(server_factory: ServerFactory, ftl: Callable[..., Project]) -> None:
    """Links and modes are kept, nothing is written through a user's links, and one setup runs at a time.

    A sudo rule for a single command is not enough: before root login is disabled, the user gets full sudo.

    A complete server is not reported as ready if the deploy user cannot log in.
    """
    own = server_factory("attacked", bare=True, suite="trixie")
    own.run("sh", "-c", LINKED)
    app = lab_project(ftl, own)
    app.config["server"]["user"] = "jane.doe"
    sudoers = own.run("cat", "/etc/sudoers").stdout

    app.save()
    with app.project.start("setup", "--json", "--as", "root") as first:
        over = time.monotonic() + 60
        while own.run("test", "-e", "/run/ftl-setup/lock", check=False).returncode:
            assert time.monotonic() < over
            time.sleep(0.2)
        second = app.run("setup", "--json", "--as", "root")
        output, _ = first.communicate(timeout=200)
    assert second.exit_code == 4, second
    assert "another `ftl setup` is running" in second.result["error"]["message"]
    failed = json.loads(output.splitlines()[-1])
    assert first.returncode == 1, output
    assert failed["error"]["place"]["step"] == "authorise_key"
    assert own.run("cat", "/etc/sudoers").stdout == sudoers

    own.run("rm", "/home/jane.doe/.ssh/authorized_keys")
    app.run("setup", "--json", "--as", "root").ok()
    own.run("sed", "-i", 's/^/from="10.9.8.7" /', "/home/jane.doe/.ssh/authorized_keys")
    shut = app.run("setup", "--json", "--as", "root")
    assert shut.exit_code == 3, shut
    assert "does not let jane.doe in" in shut.result["error"]["message"]
    own.run("sed", "-i", "s/^.* ssh-/# ssh-/", "/home/jane.doe/.ssh/authorized_keys")
    app.run("setup", "--json", "--harden").ok()
    shown = own.run("stat", "--format", "%F %a", "/etc/docker/daemon.json", "/srv/conf/daemon.json")
    assert shown.stdout.decode().splitlines() == ["symbolic link 777", "regular file 600"]
    assert json.loads(own.run("cat", "/srv/conf/daemon.json").stdout)["live-restore"] is True
    own.run("su", "jane.doe", "--command", "sudo -n true")

    own.stop_engine()
    assert [change["step"] for change in app.run("setup", "--json").ok().result["changes"]] == [
        "start_engine"
    ]
