"""`ftl setup` on real bare servers: its changes, and the ports that are open afterwards."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from lab.servers import INIT_SCRIPT, PUT_INIT_SCRIPT
from tests.e2e.support import docker_repository
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.engine]

SNAPSHOT = (
    "dpkg -l; find /etc /home /root /usr/local -type f -not -name '*.log' | sort | xargs sha256sum; "
    "iptables -S; id deploy; ls /var/lib/apt/lists | wc -l"
)
PASSWORD = "correct horse"
RELOAD = "kill -s HUP $(cat /run/sshd.pid) && sleep 1"
# As an engine that starts: its catch-all comes between a look at its chain and the jump that is appended then.
STARTING_ENGINE = r"""
cat > /usr/local/sbin/iptables << 'END'
#!/bin/sh
case "$*" in
*"-A DOCKER-USER -j FTL-FORWARD") rm /usr/local/sbin/iptables; /usr/sbin/iptables -A DOCKER-USER -j RETURN ;;
esac
exec /usr/sbin/iptables "$@"
END
chmod 755 /usr/local/sbin/iptables
"""
# Another apt: it has the lock until setup's has waited for some seconds.
LOCK = r"""
import fcntl, pathlib, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
def installs(path):
    try:
        return b"apt-get\0" in (line := path.read_bytes()) and b"\0install\0" in line
    except OSError:
        return False
while not any(map(installs, pathlib.Path("/proc").glob("[0-9]*/cmdline"))):
    time.sleep(0.2)
time.sleep(8)
"""


def snapshot(server: Server) -> bytes:
    """Everything on a server that setup could change."""
    done = server.run("sh", "-c", SNAPSHOT, check=False)
    return done.stdout


def setup(target: LabProject, *argv: str, **options: object) -> list[str]:
    """Run `ftl setup`; the kinds of its steps."""
    result = target.run("setup", "--json", *argv, **options).ok().result
    return [change["step"] for change in result["changes"]]


def answers(prober: Server, address: str, port: int) -> bool:
    """Whether an HTTP server on a port answers another machine."""
    argv = ("curl", "--silent", "--max-time", "3", "--output", "/dev/null", f"http://{address}:{port}/")
    return prober.run(*argv, check=False).returncode == 0


def passes(prober: Server, address: str, port: int) -> bool:
    """Whether another machine's packets reach a port: it answers, if only with a refusal."""
    argv = ("timeout", "3", "bash", "-c", f"exec 3<> /dev/tcp/{address}/{port}")
    return prober.run(*argv, check=False).returncode != 124


def where_we_come_from(server: Server) -> str:
    """This machine's address as a server sees it."""
    return server.run("sh", "-c", "ip route | awk '/^default/ { print $3 }'").stdout.decode().strip()


def publish(server: Server, port: int) -> None:
    """Run a container other than FTL's that publishes a port."""
    server.load("ftl-lab-busybox:latest")
    argv = ("--detach", "--publish", f"{port}:8000", "ftl-lab-busybox:latest")
    server.docker("run", *argv, "httpd", "-f", "-p", "8000", "-h", "/")


def test_a_bare_server_is_made_ready_for_deploys(
    server_factory: ServerFactory, ftl: Callable[..., Project], busybox: str, proxy_image: str
) -> None:
    """Only missing parts are added, once; then a deploy works, and of published ports only `forwards` are open.

    It has no CA certificates at first, without which Docker's repository cannot be reached.
    """
    bare = server_factory("bare", bare=True, comfort=False)
    prober = server_factory("prober", bare=True)
    app = lab_project(ftl, bare)
    app.config["server"]["user"] = "deploy"
    bare.run("groupdel", "docker")
    bare.run("dpkg", "--purge", "ca-certificates")

    before = snapshot(bare)
    planned = setup(app, "--dry-run")
    assert snapshot(bare) == before

    assert setup(app) == planned
    assert planned[:2] == ["refresh_packages", "install_packages"]
    assert {"install_docker", "create_user", "authorise_key", "apply_firewall"} <= set(planned)
    after = snapshot(bare)
    assert setup(app) == []
    assert snapshot(bare) == after

    publish(bare, 8099)
    app.deploy().ok()
    assert app.get() == (200, "one")
    address = bare.address
    assert answers(prober, address, 80)
    assert all(passes(prober, address, port) for port in (22, 80, 443))
    assert not answers(prober, address, 8099), bare.run("iptables", "-S").stdout.decode()
    app.service()["forwards"] = ["8098:8000"]
    app.deploy().ok()
    assert answers(prober, address, 8098)

    bare.stop_engine()
    bare.start_engine()
    assert not answers(prober, address, 8099)
    assert setup(app) == []
    bare.run("iptables", "-F", "DOCKER-USER")
    bare.run("sh", "-c", STARTING_ENGINE)
    assert setup(app) == ["apply_firewall"]
    assert not answers(prober, address, 8099)
    assert setup(app) == []
    bare.run("sh", "-c", "iptables -D DOCKER-USER -j FTL-FORWARD && iptables -A DOCKER-USER -j FTL-FORWARD")
    assert answers(prober, address, 8099)
    assert setup(app) == ["apply_firewall"]
    assert not answers(prober, address, 8099)
    assert setup(app, "--allow", "8099") == ["apply_firewall"]
    assert answers(prober, address, 8099)
    assert setup(app) == []


def test_existing_settings_are_kept(
    server_factory: ServerFactory, ftl: Callable[..., Project], busybox: str
) -> None:
    """Docker's settings, ufw's rules and the restrictions of SSH; sudo's password is never shown."""
    own = server_factory("kept", suite="trixie", bare=True, users=("admin",))
    app = lab_project(ftl, own)
    app.config["server"]["user"] = "admin"
    own.run("rm", "/etc/sudoers.d/ftl", "/etc/ssh/authorized_keys/root")
    own.run("chpasswd", stdin=f"admin:{PASSWORD}\n".encode())
    own.run("usermod", "--append", "--groups", "sudo", "admin")
    own.write("/etc/docker/daemon.json", json.dumps({"log-opts": {"max-size": "1m"}, "debug": False}))
    own.run("sh", "-c", "apt-get update -q && apt-get install -q -y --no-install-recommends ufw", timeout=300)
    for rule in (
        f"allow from {where_we_come_from(own)}",
        "allow from 10.9.8.7 to any port 443 proto tcp",
        "allow out 80/tcp",
        "--force enable",
    ):
        own.run("ufw", *rule.split())
    own.write("/etc/ssh/sshd_config.d/ports.conf", "Port 22\nPort 2222\n")
    own.run("sh", "-c", "kill -s HUP $(cat /run/sshd.pid)")

    before = snapshot(own)
    without = app.run("setup", "--json")
    wrong = app.run("setup", "--json", env={"FTL_SUDO_PASSWORD": "battery staple"})
    assert (without.exit_code, wrong.exit_code) == (3, 3)
    assert "FTL_SUDO_PASSWORD" in without.result["error"]["hint"]
    assert "does not accept the password" in wrong.result["error"]["message"]
    assert snapshot(own) == before

    # Another apt is running.
    with subprocess.Popen(("docker", "exec", own.container, "python3", "-c", LOCK)):
        done = app.run("setup", "--json", env={"FTL_SUDO_PASSWORD": PASSWORD}).ok()
    assert PASSWORD not in done.stdout + done.stderr
    assert any("holds the lock" in note["text"] for note in done.events("note"))
    assert setup(app, env={"FTL_SUDO_PASSWORD": PASSWORD}) == []

    settings = json.loads(own.run("cat", "/etc/docker/daemon.json").stdout)
    assert settings["log-opts"] == {"max-size": "1m", "max-file": "3"}
    assert settings["debug"] is False
    assert settings["live-restore"] is True
    rules = own.run("ufw", "show", "added").stdout.decode()
    assert {"ufw allow out 80/tcp", "ufw allow 80/tcp", "ufw allow 443/udp"} <= set(rules.splitlines())
    closed = {"ufw allow 22/tcp", "ufw allow 2222/tcp", "ufw allow 443/tcp"}
    assert not closed & set(rules.splitlines())
    assert own.run("pgrep", "-f", PASSWORD, check=False).returncode == 1

    prober = server_factory("prober", bare=True)
    publish(own, 8099)
    assert not answers(prober, own.address, 8099)
    assert not any(passes(prober, own.address, port) for port in (22, 2222))


def test_a_running_engine_keeps_its_containers(
    server_factory: ServerFactory, ftl: Callable[..., Project], busybox: str
) -> None:
    """Its restart for new settings stops no container; settings that it rejects are reverted.

    Their ports that will be closed are noted, and a VPN's port stays open.
    """
    own = server_factory("existing")
    own.run("sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
    publish(own, 8099)
    tunnel = "import socket, time; s = socket.socket(type=2); s.bind(('', 51820)); time.sleep(600)"
    own.run("sh", "-c", f'python3 -c "{tunnel}" > /dev/null 2>&1 &')
    process = ("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", own.docker("ps", "--quiet"))
    before = own.docker(*process)
    app = lab_project(ftl, own)

    # A cron inside of a container is not the server's.
    own.run("pkill", "-x", "cron", check=False)
    periodic = "printf cron > /proc/self/comm; while :; do sleep 1; done"
    own.docker("run", "--detach", "ftl-lab-busybox:latest", "sh", "-c", periodic)
    wait_until(lambda: own.run("pgrep", "-x", "cron", check=False).returncode == 0)

    own.write("/etc/docker/daemon.json", '{"no-such-setting": true}')
    refused = app.run("setup", "--json")
    assert refused.exit_code == 1
    assert "no-such-setting" in refused.result["error"]["cause"]
    assert own.run("cat", "/etc/docker/daemon.json").stdout == b'{"no-such-setting": true}'

    own.run("rm", "/etc/docker/daemon.json")
    done = app.run("setup", "--json").ok().result
    assert {"write_daemon_settings", "start_cron"} <= {change["step"] for change in done["changes"]}
    assert len(own.run("pgrep", "-x", "cron").stdout.split()) == 2
    assert any(
        "containers publish ports on 8099 (tcp), which will be closed" in note for note in done["notes"]
    )
    assert b"leave 51820/udp" in own.run("cat", "/etc/ftl/firewall.conf").stdout
    assert own.docker("info", "--format", "{{.LiveRestoreEnabled}}") == "true"
    assert own.docker(*process) == before
    assert setup(app) == []


def test_a_lockout_is_prevented(server_factory: ServerFactory, ftl: Callable[..., Project]) -> None:
    """Rules that prevent a new connection are reverted: by setup, or else by the server itself.

    And SSH that is limited to one address stays so.
    """
    own = server_factory("locked", bare=True, suite="bullseye")
    app = lab_project(ftl, own)
    let_in_once(own, "REJECT", "--reject-with", "tcp-reset")
    refused = app.run("setup", "--json")
    assert refused.exit_code == 3
    assert "was reverted" in refused.result["error"]["message"]
    assert [event["step"] for event in refused.events("step_undone")] == ["apply_firewall"]
    assert not has_rules(own)

    # Setup is killed while it waits for that connection, and the root shell on the server hangs.
    let_in_once(own, "DROP")
    app.save()
    with app.project.start("setup", "--json", "--as", "root") as command:
        wait_until(lambda: has_rules(own))
        # A reboot now would end them: what the unit reads at boot is written when they are confirmed.
        assert own.run("ls", "/etc/ftl/firewall.conf", check=False).returncode
        shell = own.run("pgrep", "--oldest", "--full", "answer ftl-ready").stdout.decode().strip()
        own.run("kill", "-s", "STOP", shell)
        command.kill()
    wait_until(lambda: not has_rules(own), seconds=90)
    own.run("kill", "-s", "KILL", shell)

    prober = server_factory("prober", bare=True)
    own.run("iptables", "-F", "INPUT")
    own.run("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
    ours = ("-s", where_we_come_from(own), "-p", "tcp", "--dport", "22")
    own.run("iptables", "-A", "INPUT", *ours, "-j", "ACCEPT")
    own.run("iptables", "-P", "INPUT", "DROP")
    assert setup(app, "--as", "root") == ["apply_firewall", "start_cron"]  # where it was killed, and on
    assert has_rules(own)
    assert not passes(prober, own.address, 22)
    own.run("iptables", "-P", "INPUT", "ACCEPT")
    assert passes(prober, own.address, 22)


def test_hardening_disables_other_logins(server_factory: ServerFactory, ftl: Callable[..., Project]) -> None:
    """After --harden the deploy user can log in, root cannot, and setup still works.

    Docker is installed from a copy of its own repository, which the server reaches.
    """
    own = server_factory("hard", bare=True, comfort=False)
    repository = docker_repository.serve(server_factory("mirror", bare=True))
    app = lab_project(ftl, own)
    own.run("rm", "/etc/ssh/authorized_keys/ftl")
    own.write("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n")
    own.run("sh", "-c", RELOAD)
    foreign = own.run("cat", "/etc/os-release").stdout
    own.write("/etc/os-release", 'ID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora Linux 40"\n')
    unknown = app.run("setup", "--json")
    assert unknown.exit_code == 1
    assert "Fedora Linux 40" in unknown.result["error"]["message"]
    assert "by hand" in unknown.result["error"]["hint"]
    own.write("/etc/os-release", foreign)

    app.config["server"]["user"] = "root"
    assert app.run("setup", "--harden", "--json").exit_code == 2
    app.config["server"]["user"] = "deploy"
    steps = setup(app, "--harden", "--unattended-upgrades", "--docker-repository", repository)
    assert own.run("dpkg-query", "-W", "-f", "${Version}", "docker-ce").stdout == b"5:99.0"
    assert repository.encode() in own.run("cat", "/etc/apt/sources.list.d/ftl-docker.list").stdout
    assert steps[-2:] == ["grant_sudo", "harden_ssh"]
    assert b"Include" not in own.run("cat", "/etc/ssh/sshd_config.d/00-ftl.conf").stdout
    # Until it is confirmed, the settings are in a file that a reboot removes: sshd starts without it.
    own.write("/etc/ssh/sshd_config.d/01-waits.conf", "Include /run/ftl-setup/sshd.conf\n")
    own.run("sshd", "-t")
    own.run("sh", "-c", f"rm /etc/ssh/sshd_config.d/01-waits.conf && {RELOAD}")
    assert subprocess.run([*own.ssh(user="root"), "true"], check=False, capture_output=True).returncode == 255
    assert subprocess.run([*own.ssh(user="deploy"), "docker", "ps"], check=False).returncode == 0
    assert setup(app, "--harden", "--unattended-upgrades") == []
    exception = "Match User root\\n    PermitRootLogin prohibit-password\\n"
    own.run("sh", "-c", f"printf '{exception}' >> /etc/ssh/sshd_config && {RELOAD}")
    refused = app.run("setup", "--harden", "--json")
    assert refused.exit_code == 1
    assert "is not in effect" in str(refused.result["error"])
    own.run("sed", "-i", "/^Match User root/,$d", "/etc/ssh/sshd_config")
    own.run("sh", "-c", RELOAD)
    assert setup(app, "--harden", "--unattended-upgrades") == []

    assert app.run("setup", "--json", "--as", "root").exit_code == 3
    own.run("rm", "/usr/bin/sudo")
    powerless = app.run("setup", "--json")
    assert powerless.exit_code == 3
    assert "sudo is not installed" in powerless.result["error"]["message"]


def let_in_once(server: Server, *otherwise: str) -> None:
    """Add rules that accept one connection: setup's first one works, and no other after it."""
    known = [
        "-p",
        "tcp",
        "--dport",
        "22",
        "-m",
        "conntrack",
        "--ctstate",
        "NEW",
        "-m",
        "recent",
        "--name",
        "once",
    ]
    server.run("iptables", "-F", "INPUT")
    server.run("iptables", "-A", "INPUT", *known, "--rcheck", "-j", *otherwise)
    server.run("iptables", "-A", "INPUT", *known, "--set", "-j", "ACCEPT")
    server.run("sh", "-c", "echo / > /proc/net/xt_recent/once")


def has_rules(server: Server) -> bool:
    """Whether FTL's firewall is in force."""
    return b"-A INPUT -j FTL-INPUT" in server.run("iptables", "-S").stdout


def wait_until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    over = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < over
        time.sleep(0.2)
