"""A Docker engine on this machine: the one that is there, else one of our own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lab import prepare
from lab.place import STATE, LabError, exclusive, say

READY_SECONDS = 60.0
STOP_SECONDS = 30.0

_PIDFILE = STATE / "dockerd.pid"
_LOG = STATE / "dockerd.log"
_SOCKET = "unix:///var/run/docker.sock"


def version() -> str | None:
    """The version of the engine that answers here; None where none does."""
    program = shutil.which("docker")
    if program is None:
        return None
    argv = (program, "version", "--format", "{{.Server.Version}}")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def up() -> None:
    """Make sure that an engine answers.

    Raises:
        LabError: None does, and none can be started here.
    """
    with exclusive("engine"):
        if found := version():
            prepare.ensure(prepare.OPENSSH)
            say(f"Docker {found} answers")
            return
        prepare.ensure(prepare.OPENSSH + prepare.ENGINE)
        if version() is None:  # installing may have started it
            _start()
        say(f"Docker {version()} answers")


def is_ours() -> bool:
    """Whether the engine is one that `up` started: then all that is in it came from here."""
    return _ours() is not None


def down() -> None:
    """Stop the engine that `up` started, and no other."""
    with exclusive("engine"):
        pid = _ours()
        if pid is None:
            return
        say("stopping dockerd")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _ours() is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        if _ours() is not None:
            os.kill(pid, signal.SIGKILL)
        _PIDFILE.unlink(missing_ok=True)


def _start() -> None:
    """Start dockerd, by the init system where there is one, else as a process of its own; wait until it answers.

    Raises:
        LabError: It does not; with the end of its log.
    """
    if os.geteuid() != 0:
        raise LabError("no Docker engine answers, and only root can start one")
    if Path("/run/systemd/system").exists():
        say("starting docker.service")
        subprocess.run(("systemctl", "start", "docker"), check=False, timeout=READY_SECONDS)
        if version() is None:
            raise LabError("no Docker engine answers: see `journalctl -u docker`")
        return
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise LabError("no Docker engine answers, and there is no `dockerd` to start")
    say("starting dockerd")
    STATE.mkdir(exist_ok=True)
    with _LOG.open("ab") as log:
        process = subprocess.Popen(
            (program, "--pidfile", str(_PIDFILE), "--host", _SOCKET),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + READY_SECONDS
    while version() is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            tail = "\n".join(_LOG.read_text(errors="replace").splitlines()[-15:])
            raise LabError(f"dockerd does not answer; the end of {_LOG}:\n{tail}")
        time.sleep(0.2)


def _ours() -> int | None:
    """The process that `up` started, if it still runs: its number may be another program's by now."""
    try:
        pid = int(_PIDFILE.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(_PIDFILE).encode() in words else None
