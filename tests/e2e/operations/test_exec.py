"""`ftl exec` against a real server: terminal, pipes, exit codes, and nothing left behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import LabProject, lab_project
from tests.harness import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

BARE = 'FROM scratch\nCOPY --from=ftl-lab-busybox:latest /bin/busybox /sleep\nCMD ["/sleep", "100000"]\n'
"""An image with one program, and no shell."""


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, app: LabProject, *argv: str) -> None:
        app.save()
        environment = {**os.environ, **app.project.environment, "TERM": "vt220"}
        self._unread = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(app.project.folder)
            line = command(*argv)
            os.execve(line[0], line, environment)
        self.resize(33, 111)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, text: str, seconds: float = 20) -> str:
        """Its output, up to and with a text; what came after it is for the next call."""
        deadline = time.monotonic() + seconds
        while text not in self._unread:
            ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, self._unread
            self._unread += os.read(self._fd, 65536).decode(errors="replace")
        before, _, self._unread = self._unread.partition(text)
        return before + text

    def wait(self, seconds: float = 20) -> int:
        """Its exit status; its output is read meanwhile, as a terminal does."""
        deadline = time.monotonic() + seconds
        while (ended := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < deadline
            if select.select([self._fd], [], [], 0.1)[0]:
                with suppress(OSError):  # it has closed the terminal
                    os.read(self._fd, 65536)
        return os.waitstatus_to_exitcode(ended[1])


def processes(server: Server, word: str) -> str:
    """The server's processes, its containers' included, with a whole word in their command line.

    A part of a word could be in the ID of any container, which its shim has in its own command line.
    """
    listed = server.run("ps", "-eo", "args").stdout.decode()
    whole = re.compile(rf"\b{re.escape(word)}\b")
    return "\n".join(line for line in listed.splitlines() if whole.search(line))


def wait_until_runs(server: Server, line: str, seconds: float = 20) -> None:
    """Wait until a process has this command line."""
    deadline = time.monotonic() + seconds
    while line not in processes(server, line.split()[-1]).splitlines():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def wait_until_gone(server: Server, word: str, seconds: float = 15) -> None:
    """Wait until no process has the word in its command line."""
    deadline = time.monotonic() + seconds
    while left := processes(server, word):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def wait_until_no_run_is_left(app: LabProject, seconds: float = 15) -> None:
    """Wait until the engine has removed the containers of commands that have ended."""
    filters = ("--filter", "label=ftl.role=run", "--filter", f"label=ftl.project={app.name}")
    shown = ("--format", "{{.Names}} {{.Status}} {{.Command}}")
    deadline = time.monotonic() + seconds
    while left := app.server.docker("ps", "--all", *filters, *shown):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def use_shell(server: Server, terminal: Terminal) -> int:
    """Use a shell in a terminal: its size, Ctrl-C, Ctrl-D; returns its exit code, which shall be 5."""
    terminal.wait_for("# ")
    terminal.type("stty size; echo $TERM\n")
    assert "33 111" in (output := terminal.wait_for("vt220\r\n")), output
    terminal.resize(44, 122)
    time.sleep(0.5)
    terminal.type("stty size\n")
    terminal.wait_for("44 122")
    terminal.wait_for("# ")
    terminal.type("sleep 7771\n")
    wait_until_runs(server, "sleep 7771")
    terminal.type("\x03")  # what is typed before the prompt is thrown away with it
    terminal.wait_for("# ")
    wait_until_gone(server, "7771")
    terminal.type("(exit 5)\n")
    terminal.wait_for("# ")
    terminal.type("\x04")
    return terminal.wait()


def test_exec(ftl: Callable[..., Project], server: Server) -> None:
    """One app, since a deploy takes longer than all of this."""
    app = lab_project(ftl, server)
    app.project.write({"bare/Dockerfile": BARE})
    app.config["services"].append({"name": "bare", "build": "bare", "stop_timeout": 0})
    never = app.run("exec", "web")
    assert (never.exit_code, "is not deployed" in never.stderr) == (1, True)
    app.deploy().ok()

    # Pipes: bytes, streams apart, the exit code, arguments as they are.
    data = os.urandom(3_000_000)
    call = command("exec", "web", "--", "sh", "-c", "echo oops >&2; cat; exit 7")
    done = subprocess.run(
        call,
        input=data,
        capture_output=True,
        cwd=app.project.folder,
        env={**os.environ, **app.project.environment},
        check=False,
    )
    assert (done.returncode, done.stdout == data, done.stderr) == (7, True, b"oops\n")
    words = ("a b", "'", '"', "$HOME", "\\n", "x\ny", "*", "-n", "")
    assert app.run("exec", "web", "--", "printf", "%s|", *words).ok().stdout == "|".join((*words, ""))
    assert app.run("exec", "wbe").exit_code == 2
    assert app.run("exec", "web", "--replica", "2").exit_code == 2
    shell = app.run("exec", "bare")
    assert shell.exit_code == 1
    assert "the image of bare has no shell" in shell.stderr

    assert use_shell(server, Terminal(app, "exec", "web")) == 5

    # A container of its own: pipes and exit code; removed at its end, and when its client is killed.
    call = command("run", "web", "--", "sh", "-c", "cat; exit 4")
    done = subprocess.run(
        call,
        input=data,
        capture_output=True,
        cwd=app.project.folder,
        env={**os.environ, **app.project.environment},
        check=False,
    )
    assert (done.returncode, done.stdout == data) == (4, True)
    assert use_shell(server, Terminal(app, "run", "web", "--", "sh")) == 5
    with app.project.start("run", "web", "--", "sleep", "7773") as process:
        wait_until_runs(server, "sleep 7773")
        process.kill()
    wait_until_gone(server, "7773")
    detached = app.run("run", "-d", "--ttl", "3s", "web", "--", "sleep", "7774").ok().stdout.strip()
    assert detached in server.docker("ps", "--format", "{{.Names}}").splitlines()
    wait_until_gone(server, "7774")
    wait_until_no_run_is_left(app)

    # Killed: with a terminal, with pipes, and where the image has no shell.
    terminal = Terminal(app, "exec", "web", "--", "sh", "-c", "echo up; sleep 7772; true")
    terminal.wait_for("up")
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.wait() == -signal.SIGKILL
    for service, argv in (("web", ("sleep", "7772")), ("bare", ("/sleep", "7772"))):
        with app.project.start("exec", service, "--", *argv) as process:
            wait_until_runs(server, f"{argv[0]} 7772")
            process.kill()
    # The child first: a database as the first process, which it would belong to, takes its end for a crash.
    with app.project.start("exec", "web", "--", "sh", "-c", "sleep 7772; echo $? >/tmp/ended") as process:
        wait_until_runs(server, "sleep 7772")
        process.kill()
    wait_until_gone(server, "7772")
    wait_until_gone(server, "ftl-guard")
    assert app.run("exec", "web", "--", "cat", "/tmp/ended").ok().stdout == "129\n"

    # One of three replicas dies: its command ends with it, and those in the others go on.
    app.service()["replicas"] = 3
    app.deploy().ok()
    with (
        app.project.start("exec", "web", "--replica", "1", "--", "sh", "-c", "sleep 7775; exit 9") as other,
        app.project.start("exec", "web", "--replica", "2", "--", "sleep", "7776") as process,
    ):
        wait_until_runs(server, "sleep 7775")
        wait_until_runs(server, "sleep 7776")
        names = ("--filter", f"name=^{app.name}-web-r[0-9]+-2$", "--format", "{{.Names}}")
        second = server.docker("ps", *names)
        server.run("kill", "-9", server.docker("inspect", "-f", "{{.State.Pid}}", second))
        errors = process.communicate(timeout=20)[1]
        assert (process.returncode, "which ended the command" in errors) == (137, True), errors
        assert other.poll() is None
        assert app.get() == (200, "one")
        server.run("pkill", "-x", "-f", "sleep 7775")
        other.communicate(timeout=20)
        assert other.returncode == 9
    wait_until_gone(server, "ftl-guard")


def test_a_command_goes_on_beside_a_deploy_and_a_prune(ftl: Callable[..., Project], server: Server) -> None:
    """An import of two hours does not end with the release that it began in, and its image stays as long."""
    app = lab_project(ftl, server)
    app.config["keep_releases"] = 1
    app.deploy().ok()
    name = app.run("run", "-d", "web", "--", "sleep", "7776").ok().stdout.strip()
    running = ("inspect", "--format", "{{.Id}} {{.Image}} {{.State.Running}}", name)
    before = server.docker(*running)
    image = before.split()[1]
    app.version("second")
    app.deploy().ok()
    app.run("prune").ok()
    assert server.docker(*running) == before
    assert before.endswith(" true")
    assert image in server.docker("images", "--quiet", "--no-trunc").splitlines()
    assert server.docker("exec", name, "cat", "/www/index.html") != app.get()[1]
    server.docker("kill", name)
    wait_until_gone(server, "7776")
    app.run("prune").ok()
    assert image not in server.docker("images", "--quiet", "--no-trunc").splitlines()

    # One that is attached ends at its time limit, and says so.
    limited = app.run("run", "--ttl", "2s", "web", "--", "sleep", "7775")
    assert limited.exit_code == 137
    assert "its time limit of 2.0 s was reached" in limited.stderr
    wait_until_gone(server, "7775")
