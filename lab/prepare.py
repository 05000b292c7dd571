"""What this machine must have: installed where it is Debian and we are root, else named."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.place import LabError, exclusive, say

if TYPE_CHECKING:
    from collections.abc import Sequence

# Debian puts administrators' programs where an ordinary user's PATH does not look.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and the Debian package that brings it; or a file, where a name says too little."""

    program: str
    package: str
    file: str | None = None

    @property
    def missing(self) -> bool:
        if self.file is not None:
            return not Path(self.file).exists()
        return shutil.which(self.program, path=_PATH) is None


OPENSSH = (Tool("ssh", "openssh-client"), Tool("ssh-keygen", "openssh-client"))
ENGINE = (
    Tool("dockerd", "docker.io"),
    Tool("docker", "docker.io"),
    Tool("iptables", "iptables"),
    Tool("", "ca-certificates", file="/etc/ssl/certs/ca-certificates.crt"),
)
BASES = (Tool("mmdebstrap", "mmdebstrap"),)
# `busybox` alone may be the dynamic one, which runs in no image made FROM scratch.
BUSYBOX = (Tool("", "busybox-static", file="/usr/share/doc/busybox-static/copyright"),)


def ensure(tools: Sequence[Tool]) -> None:
    """Install what is missing.

    Raises:
        LabError: It is missing and cannot be installed here; says what to install.
    """
    with exclusive("prepare"):
        packages = sorted({tool.package for tool in tools if tool.missing})
        if not packages:
            return
        names = " ".join(packages)
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise LabError(f"install these first (Debian's names): {names}")
        say(f"installing {names}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages)
        for argv in (("apt-get", "update", "-qq"), install):
            done = subprocess.run(
                argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            # An index of someone else's repository may be out of reach while Debian's own is fine.
            if done.returncode and argv is install:
                raise LabError(f"`{' '.join(argv)}` failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def everything(*, with_engine: bool) -> None:
    """Install all that tests, the demo and benchmarks may need; the engine only where none answers."""
    ensure(OPENSSH + (ENGINE if with_engine else ()) + BASES + BUSYBOX)
