"""An engine of a trial's own, in place of this machine's."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab import images
from lab.server import docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.servers import Server


@contextmanager
def forwarded(builder: Server | None, socket: Path) -> Iterator[None]:
    """Lead from a socket of this machine to the engine of a server, if there is one."""
    if builder is None:
        yield
        return
    builder.load(images.BUSYBOX)
    way = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{socket}:/var/run/docker.sock")
    with subprocess.Popen(builder.ssh(*way)) as process:
        try:
            yield
        finally:
            process.terminate()


def forget_images(project: str) -> None:
    """Remove what this machine has built of a project."""
    found = docker("images", "--quiet", "--filter", f"label=ftl.project={project}").stdout.decode().split()
    if found:
        docker("rmi", "--force", *sorted(set(found)))
