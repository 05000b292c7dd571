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
    """A program and the Debian package that brings it; or a file, where a name says too little.

    Attributes:
        apart: Packages that have a part of it in some releases of Debian, and do not exist in others.
    """

    program: str
    package: str
    file: str | None = None
    apart: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        if self.file is not None:
            return not Path(self.file).exists()
        return shutil.which(self.program, path=_PATH) is None


OPENSSH = (Tool("ssh", "openssh-client"), Tool("ssh-keygen", "openssh-client"))
ENGINE = (
    Tool("dockerd", "docker.io"),
    Tool("docker", "docker.io", apart=("docker-cli", "docker-buildx")),  # from trixie on
    Tool("iptables", "iptables"),
    Tool("", "ca-certificates", file="/etc/ssl/certs/ca-certificates.crt"),
)
GIT = (Tool("git", "git"),)
BASES = (Tool("mmdebstrap", "mmdebstrap"),)
# `busybox` alone may be the dynamic one, which runs in no image made FROM scratch.
BUSYBOX = (Tool("", "busybox-static", file="/usr/share/doc/busybox-static/copyright"),)


def ensure(tools: Sequence[Tool]) -> None:
    """Install what is missing.

    Raises:
        LabError: It is missing and cannot be installed here; says what to install.
    """
    with exclusive("prepare"):
        missing = [tool for tool in tools if tool.missing]
        if not missing:
            return
        packages = {tool.package for tool in missing}
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise LabError(f"install these first (Debian's names): {' '.join(sorted(packages))}")
        _run("apt-get", "update", "-qq")  # may fail for someone else's repository while Debian's own is fine
        apart = {name for tool in missing for name in tool.apart}
        packages |= {name for name in apart if _run("apt-cache", "show", name).returncode == 0}
        names = sorted(packages)
        say(f"installing {' '.join(names)}")
        done = _run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *names)
        if done.returncode:
            words = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise LabError(f"`apt-get install {' '.join(names)}` failed:\n{words}")


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def everything(*, with_engine: bool) -> None:
    """Install all that tests, the demo and benchmarks may need; the engine only where none answers."""
    ensure(OPENSSH + GIT + (ENGINE if with_engine else ()) + BASES + BUSYBOX)
