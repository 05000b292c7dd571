"""The command line as users run it: a folder, a program, an exit code, two streams."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The objects that --json prints, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """The last of them."""
        last = self.lines[-1]
        assert last["type"] == "result", self
        return last

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Those of one type."""
        return [line for line in self.lines if line["type"] == kind]

    def ok(self) -> Outcome:
        """Itself, if the command succeeded."""
        assert self.exit_code == 0, self
        return self

    def __str__(self) -> str:
        return f"{' '.join(self.argv)} -> {self.exit_code}\n{self.stdout}\n{self.stderr}"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder in which `ftl` is run, in an environment in which nothing of the user's own can be seen.

    Attributes:
        environment: On top of the bare minimum.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, object]) -> None:
        """Write files by their relative names: text, bytes, or anything else as JSON (which YAML reads)."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        cwd: str = ".",
        timeout: float = 240,
    ) -> Outcome:
        """Run `ftl ARGV` to its end, without a terminal."""
        done = subprocess.run(
            command(*argv),
            cwd=self.folder / cwd,
            env={**self.environment, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(("ftl", *argv), done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start(
        self, *argv: str, env: Mapping[str, str] | None = None, stdin: IO[bytes] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Start `ftl ARGV`, to be watched and interrupted; it is stopped at the end if it still runs."""
        process = subprocess.Popen(
            command(*argv),
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    try:
                        process.wait(STOP_SECONDS)
                    except subprocess.TimeoutExpired:
                        process.kill()


def command(*argv: str) -> list[str]:
    """`ftl` as it is installed beside this Python."""
    return [str(Path(sys.executable).with_name("ftl")), *argv]


def reset_ssh(home: Path) -> None:
    """Take from a user's ssh what a test has added: hosts, keys and known hosts."""
    folder = home / ".ssh"
    (folder / "known_hosts").unlink(missing_ok=True)
    (folder / "config").write_text(
        f'UserKnownHostsFile "{folder}/known_hosts"\nGlobalKnownHostsFile /dev/null\nIdentityAgent none\n'
    )


def environment(home: Path) -> dict[str, str]:
    """A user's environment whose home is `home`: no configuration, keys or known hosts but what is put there.

    OpenSSH finds its files by the password database and not by $HOME, so that `ssh` on PATH is one that is told.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"DOCKER_HOST", "LANG", "TMPDIR", "SSL_CERT_FILE"} or name.startswith("PIP_")
    }
    tools = home / "bin"
    ssh_config = home / ".ssh" / "config"
    tools.mkdir(parents=True)
    ssh_config.parent.mkdir(mode=0o700)
    reset_ssh(home)
    wrapper = tools / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{ssh_config}" "$@"\n')
    wrapper.chmod(0o755)
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".state"),
        "CI": "true",  # no connection is kept: none outlives its test
        "NO_COLOR": "1",
    }
