"""A service that speaks no HTTP: its connections while a deploy replaces it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.support.project import LabProject, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.nightly, pytest.mark.usefixtures("busybox", "proxy_image")]

DOCKERFILE = "FROM python-base\nCOPY *.py /\n"
ECHO = """
import asyncio, os, signal

async def answer(reader, writer):
    while line := await reader.readline():
        writer.write(os.environ["RELEASE"].encode() + b" " + line)
        await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "0.0.0.0", 7000)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.close()

asyncio.run(main())
"""
PROBE = """
import socket, threading, time

def say(*words):
    print(*words, flush=True)

def ask(connection):
    connection.sendall(b"hello\\n")
    text = connection.makefile().readline()
    if not text.endswith(" hello\\n"):
        raise ConnectionError("cut")
    return text.split()[0]

def connect():
    return socket.create_connection(("echo", 7000), timeout=10)

def once():
    with connect() as connection:
        return ask(connection)

def hold():
    while True:
        try:
            with connect() as connection:
                say("held", ask(connection))
                while True:
                    ask(connection)
                    time.sleep(0.05)
        except OSError:
            say("ended")

threading.Thread(target=hold, daemon=True).start()
while True:
    try:
        say("new", once())
    except OSError as error:
        # One that has just ended resets what it had not accepted yet.
        try:
            say("again", once())
        except OSError:
            say("failed", error)
    time.sleep(0.02)
"""


def lines(app: LabProject) -> list[str]:
    """What the client has said so far."""
    text = app.run("logs", "probe", "-n", "100000", "--no-prefix").ok().stdout
    return [line.strip() for line in text.splitlines()]


def await_line(app: LabProject, line: str) -> list[str]:
    """What the client has said when it has said this."""
    deadline = time.monotonic() + 60
    while line not in (said := lines(app)):
        assert time.monotonic() < deadline, said[-20:]
        time.sleep(0.2)
    return said


def test_connections_of_a_tcp_service_survive_its_replacement(
    ftl: Callable[..., Project], server: Server
) -> None:
    """New ones reach one release or the other; an open one stays with the old container until that stops."""
    images.ensure("python")
    app = lab_project(ftl, server)
    app.project.write({"app/Dockerfile": DOCKERFILE, "app/echo.py": ECHO, "app/probe.py": PROBE})
    app.config["services"] = [
        {
            "name": "echo",
            "build": "app",
            "command": ["python3", "/echo.py"],
            "port": 7000,
            "protocol": "tcp",
            "env": {"RELEASE": "one"},
            "stop_timeout": 5,
        },
        {"name": "probe", "build": "app", "command": ["python3", "/probe.py"], "stop_timeout": 0},
    ]
    app.deploy().ok()
    await_line(app, "held one")
    await_line(app, "new one")
    app.service("echo")["env"] = {"RELEASE": "two"}
    assert app.deploy().ok().result["services"]["probe"]["action"] == "unchanged"
    said = await_line(app, "held two")
    assert not [line for line in said if line.startswith("failed")]
    assert said.count("held one") == 1
    held = said[: said.index("ended")]
    assert "held one" in held
    assert "new two" in held, "it ended before anybody reached the new release"
    assert [line for line in said if line.startswith("new")][-1] == "new two"
