"""`ftl sandbox`: a throwaway server on this machine."""

from __future__ import annotations

import json
import secrets
import shlex
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness import Outcome, Project

pytestmark = pytest.mark.server

DOCKERFILE = """\
FROM ftl-lab-busybox:latest
COPY www /www
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""


@pytest.fixture
def sandbox(engine: str, ftl: Callable[..., Project]) -> Iterator[tuple[Project, str]]:
    """A project to run `ftl sandbox` in, and a sandbox name that no other test uses."""
    project, name = ftl(), f"test-{secrets.token_hex(4)}"
    yield project, name
    project.run("sandbox", "down", "--name", name)


def up(project: Project, name: str) -> dict[str, object]:
    """Start it; its address."""
    return project.run("sandbox", "up", "--name", name, "--json").ok().result


def ssh(there: dict[str, object], *command: str) -> subprocess.CompletedProcess[str]:
    """Log in by the command that `up` prints, without prompts and with known host keys only."""
    strict = ("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes")
    program, *options = shlex.split(str(there["ssh"]))
    return subprocess.run(
        (program, *strict, *options, *command), capture_output=True, text=True, timeout=60, check=False
    )


def container_of(name: str) -> str:
    """The name of a sandbox's container."""
    return f"ftl-sandbox-{name}"


def left(name: str) -> str:
    """The containers and volumes that a sandbox still has."""
    listed = ("ps", "--all", "--format", "{{.Names}}"), ("volume", "ls", "--format", "{{.Name}}")
    found = [
        subprocess.run(
            ("docker", *argv, "--filter", f"name={name}"), capture_output=True, text=True, check=True
        )
        for argv in listed
    ]
    return "".join(done.stdout for done in found)


def test_up_makes_a_server_with_an_engine(sandbox: tuple[Project, str]) -> None:
    """A user in the docker group logs in with the key, the host key is known beforehand, and the engine answers."""
    there = up(*sandbox)
    seen = ssh(there, "id -nG && docker version --format '{{.Server.Version}}'")
    assert seen.returncode == 0, seen.stderr
    groups, version = seen.stdout.splitlines()
    assert "docker" in groups.split()
    assert version.startswith("26.")


def test_up_is_idempotent(sandbox: tuple[Project, str]) -> None:
    """A second `up` finds the same server with what is on it."""
    first = up(*sandbox)
    assert ssh(first, "touch ~/mark").returncode == 0
    assert up(*sandbox) == first
    assert ssh(first, "test -e ~/mark").returncode == 0


def test_up_starts_a_stopped_sandbox(sandbox: tuple[Project, str]) -> None:
    """A sandbox that was stopped (by a reboot) keeps its keys and data; its address is saved anew."""
    project, name = sandbox
    first = up(project, name)
    assert ssh(first, "touch ~/mark").returncode == 0
    subprocess.run(("docker", "kill", container_of(name)), check=True, capture_output=True)
    stopped = project.run("sandbox", "status", "--name", name, "--json")
    assert (stopped.exit_code, stopped.result["ok"], stopped.result["state"]) == (1, False, "stopped")
    seen = ssh(up(project, name), "test -e ~/mark && docker version")
    assert seen.returncode == 0, seen.stderr


def test_several_servers_reach_each_other(sandbox: tuple[Project, str]) -> None:
    """Each has its own ports here, and an address for the others; their number stays, and `down` leaves nothing."""
    project, name = sandbox
    named = ("--name", name)
    first, second = project.run("sandbox", "up", "--servers", "2", "--json", *named).ok().result["servers"]
    script = f"exec 3<>/dev/tcp/{first['private_address']}/22; head -n 1 <&3"
    seen = ssh(second, f"hostname; docker version > /dev/null && bash -c {shlex.quote(script)}")
    assert seen.stdout.splitlines()[0] == f"{name}-2"
    assert "SSH-2.0-" in seen.stdout, seen
    refused = project.run("sandbox", "up", "--servers", "3", *named)
    assert (refused.exit_code, "the sandbox has 2 servers, not 3" in refused.stderr) == (2, True)
    subprocess.run(("docker", "kill", f"{container_of(name)}.2"), check=True, capture_output=True)
    assert project.run("sandbox", "status", "--json", *named).result["state"] == "stopped"
    again = project.run("sandbox", "up", "--json", *named).ok().result["servers"]
    addresses = [first["private_address"], second["private_address"]]
    assert [server["private_address"] for server in again] == addresses
    project.run("sandbox", "down", *named).ok()
    assert left(container_of(name)) == ""
    listed = ("docker", "network", "ls", "--quiet", "--filter", f"name={name}")
    assert subprocess.run(listed, capture_output=True, check=True).stdout == b""


def test_status_shows_its_address(sandbox: tuple[Project, str]) -> None:
    """The exit code is 0 only while it runs; the address is the one that `up` printed."""
    project, name = sandbox
    absent = project.run("sandbox", "status", "--name", name)
    assert (absent.exit_code, "absent" in absent.stdout) == (1, True)
    there = up(project, name)
    found = project.run("sandbox", "status", "--json", env={"FTL_SANDBOX": name}).ok().result
    assert {key: found[key] for key in ("state", "port", "http_port")} == {
        "state": "running",
        "port": there["port"],
        "http_port": there["http_port"],
    }


def test_down_leaves_nothing(sandbox: tuple[Project, str]) -> None:
    """Container, volumes and keys go; a second `down` is no error."""
    project, name = sandbox
    there = up(project, name)
    assert left(container_of(name))
    assert project.run("sandbox", "down", "--name", name, "--json").ok().result["removed"] is True
    assert left(container_of(name)) == ""
    assert not Path(str(there["key"])).parent.exists()
    assert project.run("sandbox", "down", "--name", name, "--json").ok().result["removed"] is False


def test_what_a_kill_has_left_half_made_is_made_anew(sandbox: tuple[Project, str]) -> None:
    """Its first server may lack the key, and the second one be missing; volumes of one that was never made go, too."""
    project, name = sandbox
    several = ("sandbox", "up", "--servers", "2", "--name", name, "--json")
    with project.start(*several) as process:
        while f"{container_of(name)}\n" not in left(container_of(name)):
            assert process.poll() is None
        process.kill()
    first, second = project.run(*several).ok().result["servers"]
    assert [ssh(server, "true").returncode for server in (first, second)] == [0, 0]
    folder = Path(str(first["key"])).parent
    labels = ("--label", f"ftl.sandbox.home={folder}")
    volume = ("docker", "volume", "create", *labels, f"{container_of(name)}.3-docker")
    subprocess.run(volume, check=True, capture_output=True)
    project.run("sandbox", "down", "--name", name).ok()
    assert left(container_of(name)) == ""


def test_keys_are_private(sandbox: tuple[Project, str]) -> None:
    """No other user of this machine can read the key, or enter its folder."""
    key = Path(str(up(*sandbox)["key"]))
    assert key.stat().st_mode & 0o077 == 0
    assert key.parent.stat().st_mode & 0o077 == 0


def test_ports_are_published_on_loopback_alone(sandbox: tuple[Project, str]) -> None:
    """Neither sshd nor what will run on 80 and 443 listens on a public address of this machine."""
    project, name = sandbox
    up(project, name)
    form = "{{json .NetworkSettings.Ports}}"
    argv = ("docker", "container", "inspect", "--format", form, container_of(name))
    ports = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert set(ports) == {"22/tcp", "80/tcp", "443/tcp"}
    assert {binding["HostIp"] for bindings in ports.values() for binding in bindings} == {"127.0.0.1"}


def test_a_published_port_80_answers_here(sandbox: tuple[Project, str], busybox: str) -> None:
    """A container's port 80 in the sandbox is reached at the http port that `up` printed."""
    there = up(*sandbox)
    with subprocess.Popen(("docker", "save", busybox), stdout=subprocess.PIPE) as image:
        program, *options = shlex.split(str(there["ssh"]))
        argv = (program, "-F", "/dev/null", "-o", "BatchMode=yes", *options, "docker", "load")
        subprocess.run(argv, stdin=image.stdout, check=True, capture_output=True, timeout=120)
    page = "echo hello > /srv/index.html; exec httpd -f -p 8000 -h /srv"
    started = ssh(there, f"docker run -d -p 80:8000 {busybox} sh -c '{page}'")
    assert started.returncode == 0, started.stderr
    answer = b""
    for _ in range(50):  # it is reset until httpd listens
        with (
            suppress(ConnectionError),
            socket.create_connection(("127.0.0.1", int(str(there["http_port"]))), timeout=10) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            break
        time.sleep(0.2)
    assert answer.endswith(b"hello\n")


def test_two_projects_share_a_sandbox(sandbox: tuple[Project, str], busybox: str, proxy_image: str) -> None:
    """Public names get the proxy's own certificates; each deploy prints the URLs of its project."""
    project, name = sandbox
    there = up(project, name)
    project.write({"Dockerfile": DOCKERFILE})
    deploys = {app: deploy(project, name, app) for app in ("alpha", "beta")}
    http = f"http://127.0.0.1:{there['http_port']}"
    assert [http in outcome.stdout.split() for outcome in deploys.values()] == [True, False]
    for app, outcome in deploys.items():
        (line,) = (line for line in outcome.stdout.splitlines() if line.startswith("by host name: "))
        curl = shlex.split(line.removeprefix("by host name: "))
        assert subprocess.run((*curl, "-sS"), capture_output=True, text=True, check=True).stdout == app
    settings = ssh(there, "docker exec ftl-proxy cat /config/ftl/caddy.json").stdout
    assert {issuer["module"] for issuer in issuers(json.loads(settings))} == {"internal"}

    report = project.run("doctor", "--json", "--server", "sandbox", env={"FTL_SANDBOX": name})
    findings = [item for item in report.events("finding") if item["area"] in ("dns", "certificates")]
    assert {item["level"] for item in findings} == {"ok"}, findings
    assert "needs no DNS record" in report.stdout


def deploy(project: Project, sandbox: str, name: str) -> Outcome:
    """Deploy a page with its project's name, with the default TLS settings."""
    config = {
        "project": {"name": f"{sandbox}-{name}", "domain": f"{name}.ftl-sandbox.com"},
        "services": [{"name": "web", "build": ".", "port": 8000, "routes": ["/"]}],
    }
    project.write({"ftl.yaml": config, "www/index.html": name})
    return project.run("deploy", "--server", "sandbox", env={"FTL_SANDBOX": sandbox}).ok()


def issuers(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The certificate issuers in the proxy's configuration."""
    policies = config["apps"]["tls"]["automation"]["policies"]
    return [issuer for policy in policies for issuer in policy["issuers"]]


def test_a_name_that_is_taken_is_left_alone(
    sandbox: tuple[Project, str], tmp_path: Path, busybox: str
) -> None:
    """A container of that name that is not this user's sandbox is neither used nor removed."""
    project, name = sandbox
    subprocess.run(
        ("docker", "create", "--name", container_of(name), busybox), check=True, capture_output=True
    )
    try:
        for verb in ("up", "status", "down"):
            refused = project.run("sandbox", verb, "--name", name)
            assert refused.exit_code == 2, refused
            assert "--name" in refused.stderr
        assert container_of(name) in left(container_of(name))
    finally:
        subprocess.run(("docker", "rm", container_of(name)), check=True, capture_output=True)


def test_without_a_sandbox_the_server_is_unknown(ftl: Callable[..., Project]) -> None:
    """`--server sandbox` says how to start one when there is none."""
    project = ftl({"ftl.yaml": "project: {name: shop, domain: shop.test}\nservices: []\n"})
    refused = project.run("status", "--server", "sandbox", env={"FTL_SANDBOX": "nobodys"})
    assert refused.exit_code == 2
    assert "no sandbox is running" in refused.stderr
    assert "ftl sandbox up --name nobodys" in refused.stderr


def test_without_an_engine_it_says_so(ftl: Callable[..., Project], tmp_path: Path) -> None:
    """An error with a hint, and no traceback."""
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    refused = ftl().run("sandbox", "up", "--name", "none", env=nowhere)
    assert refused.exit_code == 1
    assert "no engine answers on this machine" in refused.stderr
    assert "Traceback" not in refused.stderr
