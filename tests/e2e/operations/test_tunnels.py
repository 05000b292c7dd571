"""`ftl tunnels` against a real server."""

from __future__ import annotations

import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.echo import PORT, add_echo, ask, free_port
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

ASK = """
import os, socket
with socket.create_connection(("127.0.0.1", int(os.environ["FTL_CACHE_PORT"])), timeout=20) as connection:
    connection.sendall(b"hello from a hook")
    print(connection.recv(100).decode(), end="", flush=True)
    if os.fork() == 0:
        os.setsid()
        connection.recv(1)  # the connection outlives the hook, until the tunnel is closed
"""


def opened(process: subprocess.Popen[str]) -> list[str]:
    """What the command prints once the tunnels are open."""
    assert process.stdout is not None
    shown = [process.stdout.readline().rstrip("\n")]
    while shown[-1] and not shown[-1].startswith("connected"):
        shown.append(process.stdout.readline().rstrip("\n"))
    return shown


def eventually(port: int, words: bytes) -> None:
    """Return when the port answers; a connection that is refused or cut meanwhile is no answer."""
    until = time.monotonic() + 60
    while True:
        try:
            if ask(port, words) == words:
                return
        except OSError:
            pass
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_dependency_is_within_reach(ftl: Callable[..., Project], server: Server) -> None:
    """The dependency's port is open here until Ctrl-C, through a deploy that replaces it and a lost connection."""
    app = lab_project(ftl, server)
    section = add_echo(app)
    app.deploy().ok()
    port = free_port()
    with app.project.start("tunnels", "-p", f"cache={port}") as process:
        assert opened(process) == [
            "DEPENDENCY  PORT  OPEN AT",
            f"cache       {PORT}  127.0.0.1:{port}",
            "connected to 127.0.0.1; Ctrl-C closes the tunnels",
        ]
        assert ask(port) == b"hello\n"

        section["env"] = {"CHANGED": "yes"}
        app.deploy().ok()
        eventually(port, b"replaced\n")

        server.run("pkill", "-f", f"sshd: {server.user}")
        eventually(port, b"connected again\n")

        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_a_local_hook_reaches_the_dependencies(ftl: Callable[..., Project], server: Server) -> None:
    """A hook on this machine learns by its environment where each dependency is within reach.

    A connection that it leaves open ends with the tunnel, without a word about it.
    """
    app = lab_project(ftl, server)
    add_echo(app)
    app.project.write({"ask.py": ASK})
    app.service()["hooks"] = {"pre": {"local": f"{sys.executable} ask.py > answer"}}
    done = app.deploy().ok()
    assert (app.project.folder / "answer").read_text() == "hello from a hook"
    assert done.stderr == ""


def test_a_port_that_is_taken(ftl: Callable[..., Project], server: Server) -> None:
    """When something here has the port, the error names it and the two ways out."""
    app = lab_project(ftl, server)
    add_echo(app)
    app.save()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused = app.project.run("tunnels", "-p", f"cache={port}")
    assert refused.exit_code == 2
    assert f"port {port} of this machine is taken" in refused.stderr
    assert f"-p cache:{PORT}=" in refused.stderr
    assert "--offset" in refused.stderr


def test_a_dependency_that_does_not_run(ftl: Callable[..., Project], server: Server) -> None:
    """Before the first deploy there is nothing to reach, and the error says what starts it."""
    app = lab_project(ftl, server)
    add_echo(app)
    missing = app.run("tunnels", "-p", f"cache={free_port()}")
    assert missing.exit_code == 1
    assert "cache" in missing.stderr
    assert "`ftl deploy`" in missing.stderr
