"""`ftl doctor` against real servers: its findings and fixes, and that it changes nothing."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from lab.peers import registry
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.servers import Lab, Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Outcome, Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

TIGHT = 600_000_000
"""Bytes of a disk that is nearly full from the start."""

STATE = """
docker ps --all --no-trunc --format '{{.ID}} {{.State}}'
docker images --all --no-trunc --quiet
docker volume ls; docker network ls --no-trunc
find /etc /home /root /usr/local /var/lib/docker/volumes /tmp -xdev -printf '%p %m %u %s %T@\n' | sort
"""

AUTHORITY = """\
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def findings(outcome: Outcome, level: str) -> dict[str, dict[str, Any]]:
    """The findings of one level, by "area name"."""
    found = outcome.events("finding")
    return {f"{one['area']} {one['name']}": one for one in found if one["level"] == level}


def fixing_command(finding: dict[str, Any]) -> str:
    """The first command of its fix."""
    command = re.search(r"`([^`]+)`", finding["fix"])
    assert command is not None, finding
    return command[1]


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, except caches."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {str(path): path.read_bytes() for path in files}


def test_a_healthy_server(
    ftl: Callable[..., Project], server_factory: ServerFactory, user: dict[str, str], tmp_path: Path
) -> None:
    """Before and after the first deploy there are no problems, and nothing is changed."""
    server = server_factory("doctor")
    app = lab_project(ftl, server)
    app.config["project"]["domain"] = "localhost"
    app.config["proxy"] = {"tls": "internal"}
    fresh = app.run("doctor", "--json").ok()
    assert (findings(fresh, "problem"), findings(fresh, "warning")) == ({}, {})
    assert fresh.result["problems"] == 0
    assert findings(fresh, "ok")["there port 80"]["what"] == "is free for the proxy"
    assert findings(fresh, "ok")["dns localhost"]["what"].startswith("resolves to this machine")

    app.deploy().ok()
    before = server.run("sh", "-c", STATE).stdout, contents(tmp_path / "project"), contents(tmp_path)
    deployed = app.run("doctor", "--json").ok()
    plain = app.run("doctor", env={"COLUMNS": "60"}).ok()
    after = server.run("sh", "-c", STATE).stdout, contents(tmp_path / "project"), contents(tmp_path)
    assert before == after

    assert (findings(deployed, "problem"), findings(deployed, "warning")) == ({}, {})
    assert findings(deployed, "ok")["there port 443"]["what"] == "is used by the proxy"
    certificate = findings(deployed, "ok")["certificates localhost"]["what"]
    assert certificate.startswith("issued by Caddy Local Authority")
    assert all(len(line) <= 60 for line in plain.stdout.splitlines() if "`" not in line)
    assert plain.stdout.splitlines()[-1] == "ready to deploy"
    assert "\x1b" not in plain.stdout


def test_a_server_with_everything_wrong(
    ftl: Callable[..., Project], server_factory: ServerFactory, tmp_path: Path
) -> None:
    """Each fault of a server, its domain and its certificate is found, with a fix."""
    server = server_factory("sick", users=("guest",), disk=TIGHT)
    server.load("ftl-lab-busybox:latest")
    database = ("--name", "db", "--publish", "5432:5432", "ftl-lab-busybox:latest")
    server.docker("run", "--detach", *database, "httpd", "-f", "-p", "5432")
    server.run("cp", "/bin/sleep", "/usr/local/bin/apache2")
    listen = "import socket, time; s = socket.create_server(('', 80)); time.sleep(600)"
    server.run("sh", "-c", f'apache2 600 & python3 -c "{listen}" >/dev/null 2>&1 & sleep 0.5')

    app = lab_project(ftl, server)
    app.config["server"] |= {"host": server.address, "port": 22}
    app.config["project"]["domain"] = "localhost"
    app.config["proxy"] = {"certificate": "shop.pem", "key": "other.key"}
    expired(app.project.folder, "localhost")
    found = app.run("doctor", "--json")
    assert found.exit_code == 1, found
    problems, warnings = findings(found, "problem"), findings(found, "warning")
    assert set(problems) == {"there disk", "there port 80", "certificates shop.pem"}
    assert set(warnings) == {"there port 5432", "dns localhost"}
    assert "docker image prune" in problems["there disk"]["fix"]
    assert problems["there port 80"]["fix"] == "on the server: `sudo systemctl disable --now apache2`"
    assert "does not belong to the certificate" in problems["certificates shop.pem"]["what"]
    assert "the container db (ftl-lab-busybox:latest)" in warnings["there port 5432"]["what"]
    assert "-p 127.0.0.1:5432:5432" in warnings["there port 5432"]["fix"]
    assert f"and not to this server ({server.address}" in warnings["dns localhost"]["what"]
    assert found.result["error"]["message"] == "3 problems found"

    app.config["proxy"] = {"certificate": "shop.pem", "key": "shop.key"}
    app.config["server"]["user"] = "guest"
    found = app.run("doctor", "--json")
    assert found.exit_code == 1, found
    problems = findings(found, "problem")
    assert "has expired" in problems["certificates shop.pem"]["what"]
    assert "guest may not use Docker" in problems["there docker"]["what"]
    assert "`sudo usermod -aG docker guest`" in problems["there docker"]["fix"]
    server.run("usermod", "-aG", "docker", "guest")
    assert "there docker group" in findings(app.run("doctor", "--json"), "ok")

    server.run("pkill", "-STOP", "dockerd")
    found = app.run("doctor", "--json")
    server.run("pkill", "-CONT", "dockerd")
    assert "did not answer within" in findings(found, "problem")["there docker"]["what"]
    assert "there memory" in findings(found, "ok")


def expired(folder: Path, host: str) -> None:
    """A certificate shop.pem that was valid in January 2020, its shop.key, and an other.key."""
    (folder / "ca.cnf").write_text(AUTHORITY)
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", "/CN=shop", "-addext", f"subjectAltName=DNS:{host}")
    span = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    signed = (
        "-batch",
        "-notext",
        "-selfsign",
        "-config",
        "ca.cnf",
        "-in",
        "shop.csr",
        "-out",
        "shop.pem",
        *span,
    )
    for argv in (
        ("req", "-new", *elliptic, *names, "-keyout", "shop.key", "-out", "shop.csr"),
        ("req", "-new", *elliptic, *names, "-keyout", "other.key", "-out", "other.csr"),
        ("ca", *signed, "-keyfile", "shop.key"),
    ):
        subprocess.run(("openssl", *argv), cwd=folder, check=True, capture_output=True)


def test_a_server_that_lets_nobody_in(
    ftl: Callable[..., Project], server: Server, user: dict[str, str], tmp_path: Path
) -> None:
    """This machine is still checked, the exit code is 3, and the fixes work."""
    app = lab_project(ftl, server)
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    app.config["server"]["ssh_key"] = str(stranger)
    found = app.run("doctor", "--json")
    assert found.exit_code == 3, found
    refused = findings(found, "problem")["there connection"]
    assert "does not let ftl in" in refused["what"]
    assert fixing_command(refused) == f"ssh-copy-id -i {stranger}.pub -p {server.port} ftl@127.0.0.1"
    assert {"here docker", "here ssh", "here key"} <= set(findings(found, "ok"))

    stranger.chmod(0o644)
    found = app.run("doctor", "--json")
    assert fixing_command(findings(found, "problem")["here key"]) == f"chmod 600 {stranger}"

    app.config["server"] = server.section()
    name = f"[127.0.0.1]:{server.port}"
    known = tmp_path.joinpath(user["HOME"], ".ssh", "known_hosts")
    subprocess.run(["ssh-keygen", "-R", name, "-f", known], capture_output=True, check=False)
    with known.open("a") as file:
        file.write(f"{name} {stranger.with_suffix('.pub').read_text()}")
    found = app.run("doctor", "--json")
    assert found.exit_code == 3, found
    changed = findings(found, "problem")["here known_hosts"]
    subprocess.run(shlex.split(fixing_command(changed)), check=True, capture_output=True)
    app.run("doctor", "--json").ok()


def test_without_a_server(ftl: Callable[..., Project]) -> None:
    """In a folder without an ftl.yaml only this machine is checked."""
    found = ftl().run("doctor", "--json").ok()
    assert {one["area"] for one in found.events("finding")} == {"here"}


def test_logins_to_registries(ftl: Callable[..., Project], server: Server, lab: Lab) -> None:
    """A login that a registry accepts differs from one that it rejects, and no secret is shown."""
    with registry(lab, "doctor.test", "token", users={"me": "right-word"}) as peer:
        peer.trust(server)
        app = lab_project(ftl, server)
        app.config["services"][0] |= {"image": f"{peer.host}/shop/web:1"}
        del app.config["services"][0]["build"]
        listed = {"server": peer.host, "username": "me"}
        app.config["registries"] = [listed | {"password": "right-word"}]
        found = app.run("doctor", "--json")
        assert "accepts the login of me" in findings(found, "ok")["registries doctor.test"]["what"], found
        app.config["registries"] = [listed | {"password": "wrong-word"}]
        found = app.run("doctor", "--json")
        assert found.exit_code == 1, found
        refused = findings(found, "problem")["registries doctor.test"]
        assert "rejects the credentials of me" in refused["what"]
        assert refused["fix"]
        assert "-word" not in json.dumps(found.lines)
