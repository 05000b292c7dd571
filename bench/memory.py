"""Peak memory of `ftl deploy` while it sends a 1 GB image of which the server has no layer.

The image holds random bytes, so that all of them travel. Read from /proc while the deploy runs (so on Linux only):
VmHWM is the most that a process ever had, and it only grows.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.server import docker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Server
    from tests.harness import Project

LOOK = 0.02
"""Seconds between two looks at the process."""

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a deploy took.

    Attributes:
        image: Bytes of the image.
        sent: Bytes that travelled.
        peak: Bytes of memory that the process had at most.
        children: The same of all its children, ssh above all, added up.
    """

    image: int
    sent: int
    peak: int
    children: int


def deploy_large(server: Server, project: Project, name: str, megabytes: int) -> Memory:
    """Deploy one service whose image is so large."""
    with _image(f"{name}-large", megabytes) as image:
        size = int(docker("image", "inspect", "--format", "{{.Size}}", image).stdout)
        service = {"name": "large", "image": image, "command": ["sleep", "100000"], "stop_timeout": 0}
        config = {
            "project": {"name": name, "domain": f"{name}.example.com"},
            "server": server.section(),
            "services": [service],
        }
        project.write({"ftl.yaml": config})
        with project.start("deploy", "--json") as process, _watched(process.pid) as peaks:
            out, err = process.communicate()
        assert process.returncode == 0, out + err
    finished = [event for event in map(json.loads, out.splitlines()) if event["type"] == "transfer_finished"]
    sent = sum(event["bytes_sent"] for event in finished if event["image"] == image)
    assert sent > megabytes << 20, "the image was not sent from here"
    return Memory(size, sent, peaks.pop(process.pid), sum(peaks.values()))


@contextmanager
def _image(name: str, megabytes: int) -> Iterator[str]:
    """An image of so many random bytes that can run."""
    size = f"count={megabytes}"
    try:
        argv = ("dd", "if=/dev/urandom", "of=/data", "bs=1048576", size)
        docker("run", "--name", name, "ftl-lab-busybox:latest", *argv, timeout=600)
        docker("commit", name, f"{name}:latest", timeout=600)
        docker("rm", name)
        yield f"{name}:latest"
    finally:
        docker("rm", "--force", name, check=False)
        docker("rmi", "--force", f"{name}:latest", check=False)


@contextmanager
def _watched(pid: int) -> Iterator[dict[int, int]]:
    """The peaks of a process and all its descendants in bytes, by process id, while the block runs."""
    peaks: dict[int, int] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            for one in _family(pid):
                with suppress(OSError):  # it ended meanwhile
                    found = _PEAK.search(Path(f"/proc/{one}/status").read_text())
                    if found is not None:  # a process that has ended has no memory
                        peaks[one] = int(found[1]) * 1024

    thread = threading.Thread(target=look, name="memory")
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))
