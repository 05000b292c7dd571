"""A throwaway SSH server on a random loopback port, with keys and configuration of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lab.prepare import Tool, ensure
from tests.support.processes import read_all

from ftl.ssh.target import Target

_READY_SECONDS = 10.0


def make_key(path: Path, passphrase: str = "") -> Path:
    """A new private key at `path` (and its public half beside it)."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", path.name, "-f", str(path)], check=True
    )
    return path


def free_port() -> int:
    """A port of the loopback address that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Sshd:
    """One server; its settings are lines of sshd_config that come before the ordinary ones."""

    folder: Path
    settings: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> Path:
        """The private key that it lets in."""
        return self.folder / "user"

    @property
    def known_hosts(self) -> Path:
        """Where the tests keep its host key."""
        return self.folder / "known_hosts"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    def target(self, **changes: object) -> Target:
        """How to reach it; `changes` replaces parts."""
        parts: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "key": self.key,
            "known_hosts": self.known_hosts,
        }
        return Target(**{**parts, **changes})  # type: ignore[arg-type]

    def start(self) -> None:
        """Listen; back when it accepts connections."""
        program = _program()
        for name in ("host", "user"):
            if not (self.folder / name).exists():
                make_key(self.folder / name)
        (self.folder / "authorized").write_text((self.folder / "user.pub").read_text())
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        configuration = self.folder / "sshd_config"
        configuration.write_text("\n".join([*self.settings, *self._ordinary()]) + "\n")
        with (self.folder / "log").open("ab") as log:
            # In a session of its own: Ctrl-C of a test run is not for it.
            self.process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(configuration)], stderr=log, start_new_session=True
            )
        self._wait()

    def _ordinary(self) -> list[str]:
        return [
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'authorized'}",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "MaxStartups 100",
        ]

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.recv(4)
                return
            time.sleep(0.02)
        raise TimeoutError(self.log)

    def new_host_key(self) -> None:
        """Start again as another server at the same address."""
        self.stop()
        for name in ("host", "host.pub"):
            (self.folder / name).unlink()
        self.start()

    def stop(self) -> None:
        """End it, and every connection it has."""
        if self.process is not None:
            for child in descendants(self.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.process = None


def _program() -> str:
    """The path of sshd, which wants to be called by its whole path.

    It is installed where that starts nothing: Debian's package runs a server of its own where an init system does.
    """
    tool = Tool("sshd", "openssh-server")
    if tool.missing and os.geteuid() == 0 and not Path("/run/systemd/system").exists():
        ensure((tool,))
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs openssh-server's sshd")
    return program


def descendants(pid: int) -> list[int]:
    """The processes below one, by /proc."""
    parents: dict[int, int] = {}
    for process, stat in read_all("stat").items():
        parents[process] = int(stat.rpartition(b")")[2].split()[1])
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {pid})
