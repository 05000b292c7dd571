"""Messages of a server through apprise: a real mail about a job that failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

IMAGE = "ftl-lab-apprise:latest"

RECEIVER = b"""
import socket, subprocess


def output(command):
    return subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("0.0.0.0", 8025))
listening.listen()
connection, _ = listening.accept()
words = output("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ")
running = output("docker ps --filter label=ftl.role=notify --format '{{.Image}} {{.Label \\"ftl.project\\"}}'")
lines = connection.makefile("rwb")


def answer(text):
    lines.write(text + b"\\r\\n")
    lines.flush()


mail, login = b"", b""
answer(b"220 here")
for line in lines:
    word = line.split()[0].upper()
    if word == b"EHLO":
        answer(b"250-here\\r\\n250 AUTH PLAIN")
    elif word == b"AUTH":
        login = line
        answer(b"235 welcome")
    elif word == b"DATA":
        answer(b"354 go on")
        while not mail.endswith(b"\\r\\n.\\r\\n"):
            mail += lines.readline() or exit()
        answer(b"250 taken")
    elif word == b"QUIT":
        answer(b"221 bye")
        break
    else:
        answer(b"250 fine")
for name, content in (("words", words), ("running", running), ("login", login), ("mail", mail)):
    with open(f"/tmp/mailed-{name}", "wb") as file:
        file.write(content)
"""
"""Takes one mail, on the server itself, whose Python has no `smtpd`; sees what each process there shows of itself."""


def test_the_server_mails_a_job_that_failed(ftl: Callable[..., Project], server: Server) -> None:
    """In an image that came with the deploy, and that goes with the place; no process and no message has the secret."""
    images.ensure("apprise")
    app = lab_project(ftl, server)
    command = ["sh", "-c", "exit 3"]
    app.config["jobs"] = [{"name": "bad", "service": "web", "command": command, "schedule": "* * * * *"}]
    app.deploy().ok()
    shown = server.run("ip", "-4", "-o", "addr", "show", "docker0").stdout.decode()
    gateway = shown.split()[3].partition("/")[0]
    url = f"mailto://me:s3cr3t-pass@{gateway}:8025?from=ftl@example.com&to=ops@example.com"
    server.write("/tmp/receiver.py", RECEIVER)
    receive = "rm -f /tmp/mailed-*; timeout 240 python3 /tmp/receiver.py >/dev/null 2>/tmp/receiver.err &"
    server.run("sh", "-c", receive)
    app.config["notify"] = [{"url": url, "events": ["job_failure"], "image": IMAGE}]
    deployed = app.deploy().ok()
    assert [one["step"] for one in deployed.events("step_finished")] == ["set_notifications", "bring_image"]
    assert "s3cr3t" not in deployed.stdout
    assert app.run("plan", "--json").ok().result["steps"] == []
    assert app.run("prune", "--json").ok().result["images"] == []
    assert f"ftl-mark/{app.name}/ftl-lab-apprise" in _tags(server)

    server.run("su", "ftl", "-c", f'sh "$HOME/.ftl/job.sh" /var/run/docker.sock {app.name}.job.bad')
    end = time.monotonic() + 100
    while not (mail := _mailed(server, "mail")) and time.monotonic() < end:
        time.sleep(0.5)
    assert f"Subject: {app.name}: the job bad ended with status 3" in mail, server.run(
        "cat", "/tmp/receiver.err"
    )
    assert "on " in mail
    assert _mailed(server, "running").strip() == f"{IMAGE} {app.name}"
    assert _mailed(server, "login").startswith("AUTH PLAIN ")
    words = _mailed(server, "words")
    assert [text in words for text in ("--entrypoint", "ended with status", "s3cr3t")] == [True, False, False]
    assert "s3cr3t" not in mail
    assert server.run("sh", "-c", "grep -rl s3cr3t ~ftl; true").stdout == b""

    app.config["notify"] = []
    app.config["jobs"] = []
    app.deploy().ok()
    assert app.containers() == [f"{app.name}-web-r1"]
    assert "apprise" not in _tags(server)
    stored = server.run("sh", "-c", f"docker cp ftl-state:/ftl/{app.name} - | tar -xOf -").stdout
    assert (b"web" in stored, b"s3cr3t" in stored) == (True, False)


def _mailed(server: Server, name: str) -> str:
    return server.run("sh", "-c", f"cat /tmp/mailed-{name} 2>/dev/null; true").stdout.decode(errors="replace")


def _tags(server: Server) -> str:
    return server.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
