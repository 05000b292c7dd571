"""Objects of a server and of this machine, comparable between two runs.

Release numbers, ports and hashes differ from run to run: `snapshot` replaces them, so that two servers in the same
state give equal sets of lines.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Server

_RELEASE = re.compile(r"([-:])r\d+(?=$|[-\s])")
_NUMBERS = re.compile(r"\d+")
_HEX = re.compile(r"\b[0-9a-f]{8,}\b")

_FOLDERS = ("/tmp", "/var/tmp", "/run", "/home", "/root", "/var/lib/ftl")
_ENGINE_FOLDERS = ("/run/docker", "/run/containerd", "/run/sudo", "/run/sshd", "/run/user", "/run/utmp")

KEPT_RELEASES = 5
"""Releases whose images may be on the server: `keep_releases`, unless ftl.yaml says otherwise."""


def snapshot(server: Server) -> frozenset[str]:
    """Containers, image tags, networks, volumes, files and processes of a server, one line each."""
    return frozenset(
        {
            *_containers(server),
            *_images(server),
            *(f"network {line}" for line in _lines(server, "network", "ls", "--format", "{{.Name}}")),
            *(f"volume {line}" for line in _lines(server, "volume", "ls", "--format", "{{.Name}}")),
            *_files(server),
            *_processes(server),
        }
    )


def foreign(server: Server, label: str) -> frozenset[str]:
    """IDs and states of everything with a label, to see that nothing of it was touched."""
    chosen = ("--filter", f"label={label}")
    kinds = {
        "container": ("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"),
        "volume": ("volume", "ls", "--format", "{{.Name}}"),
        "network": ("network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"),
    }
    return frozenset(
        f"{kind} {line}" for kind, argv in kinds.items() for line in _lines(server, *argv, *chosen)
    )


def release_tags(server: Server, repository: str) -> set[str]:
    """Tags of the releases of one service whose images are on the server."""
    tags = _lines(server, "images", "--format", "{{.Tag}}", repository)
    return {tag for tag in tags if re.fullmatch(r"r\d+", tag)}


def local_leftovers(home: Path, temporary: Path) -> list[str]:
    """Files in the temporary folder and processes with this home, of commands that have ended."""
    files = [f"file here {path.name}" for path in temporary.iterdir()]
    return files + [f"process here {line}" for line in _processes_here(home)]


def _processes_here(home: Path) -> Iterator[str]:
    mark = f"HOME={home}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has ended, or is another user's


def _lines(server: Server, *argv: str) -> list[str]:
    return [line for line in server.docker(*argv).splitlines() if line]


def _containers(server: Server) -> Iterator[str]:
    for line in _lines(server, "ps", "--all", "--format", "{{.Names}} {{.Image}} {{.State}}"):
        yield f"container {_any_release(line)}"


def _images(server: Server) -> Iterator[str]:
    for line in _lines(server, "images", "--format", "{{.Repository}}:{{.Tag}}"):
        yield f"image {_any_release(line)}"


def _files(server: Server) -> Iterator[str]:
    pruned = " -o ".join(f"-path {folder}" for folder in _ENGINE_FOLDERS)
    script = f"find {' '.join(_FOLDERS)} \\( {pruned} \\) -prune -o -print 2>/dev/null || true"
    for line in server.run("sh", "-c", script).stdout.decode().splitlines():
        yield f"file {_HEX.sub('HEX', line)}"


def _processes(server: Server) -> Iterator[str]:
    """Shells, docker commands and FTL's scripts; not the engine, sshd and containers."""
    listing = server.run("ps", "-eo", "cgroup:200,args", check=False).stdout.decode().splitlines()[1:]
    for line in listing:
        cgroup, _, command = line.partition(" ")
        words = () if "/engine/" in cgroup else command.split()  # a container's own processes
        if words and Path(words[0]).name in {"sh", "bash", "dash", "perl", "docker", "timeout", "sleep"}:
            yield f"process {_NUMBERS.sub('N', _HEX.sub('HEX', ' '.join(words)))[:120]}"


def _any_release(line: str) -> str:
    return _RELEASE.sub(r"\1rN", line)
