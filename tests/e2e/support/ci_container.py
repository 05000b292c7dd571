"""A clean container that runs jobs of CI, in the network of a lab's run."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images
from lab.place import LABEL
from lab.server import docker

from ftl.engine.local import local_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lab.servers import Lab

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""The authorities that this machine trusts, as the jobs do: there may be one of a proxy among them."""

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OF_THE_NETWORK = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

_BARE = r"""
local $/;
%ENV = map { (split /=/, $_, 2) } split /\0/, <STDIN>;
open STDIN, "<", "/dev/null";
exec { $ARGV[0] } @ARGV;
exit 127;
"""
"""Runs its arguments with the variables of its input alone. Debian always has Perl, unlike Python."""


@dataclass(frozen=True, slots=True)
class CiContainer:
    """A running container, in which a job has nothing but its own variables.

    Attributes:
        container: Its name in the engine.
        home: The home of its user.
        path: PATH of a job.
    """

    container: str
    home: str
    path: str

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with this environment, and that of the machine's network."""
        network = {name: value for name in _OF_THE_NETWORK if (value := os.environ.get(name))}
        variables = {**network, "PIP_CERT": str(CERTIFICATES), **environment}
        # By stdin: arguments are shown to everyone on this machine, and keys are among the variables
        return subprocess.run(
            (
                "docker",
                "exec",
                "--interactive",
                "--workdir",
                folder,
                self.container,
                "perl",
                "-e",
                _BARE,
                "--",
                *argv,
            ),
            input="\0".join(f"{name}={value}" for name, value in variables.items()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )

    def write(self, path: str, text: str) -> None:
        """Write a file, in a new folder if it must be."""
        self._write(path, text.encode())

    def _write(self, path: str, content: bytes) -> None:
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
        docker("exec", "--interactive", self.container, "sh", "-c", script, "sh", path, stdin=content)

    def read(self, path: str) -> str:
        """Text of a file; empty if there is none."""
        return docker("exec", self.container, "cat", path, check=False).stdout.decode()

    def has(self, path: str) -> bool:
        """Whether there is a file or folder."""
        return docker("exec", self.container, "test", "-e", path, check=False).returncode == 0

    def check_out(self, repository: Path, folder: str) -> None:
        """Have the last commit of a repository of this machine, as a runner's checkout does: no other, and a remote."""
        files = io.BytesIO()
        with tarfile.open(fileobj=files, mode="w") as archive:
            archive.add(repository / ".git", ".")
        script = (
            'mkdir /tmp/origin && tar -x --no-same-owner -C /tmp/origin && mkdir -p "$1"'
            ' && git clone --quiet --depth=1 file:///tmp/origin "$1"'
            ' && git -C "$1" remote set-url origin https://git.example.com/acme/shop.git && rm -r /tmp/origin'
        )
        argv = ("exec", "--interactive", self.container, "sh", "-c", script, "sh", folder)
        docker(*argv, stdin=files.getvalue())

    def put(self, file: Path, folder: str) -> str:
        """Copy a file into a folder; returns its path."""
        self._write(f"{folder}/{file.name}", file.read_bytes())
        return f"{folder}/{file.name}"


@contextmanager
def ci_container(
    lab: Lab,
    name: str,
    *,
    image: str = images.RUNNER,
    home: str = "/home/runner",
    user: str = "runner",
    path: str = SYSTEM,
) -> Iterator[CiContainer]:
    """A new container, with the engine of this machine, as a runner has one."""
    lab.ensure_network()
    full = f"{lab.network}-{name}"
    socket = Path(local_url().removeprefix("unix://"))
    docker(
        *(
            "run",
            "--detach",
            "--init",
            "--name",
            full,
            "--label",
            f"{LABEL}={lab.run}",
            "--network",
            lab.network,
        ),
        *("--user", user, "--group-add", str(socket.stat().st_gid)),
        *("--volume", f"{socket}:/var/run/docker.sock", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"),
        *(image, "sleep", "infinity"),
    )
    try:
        yield CiContainer(full, home, path)
    finally:
        docker("rm", "--force", full)
