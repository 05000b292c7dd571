"""Objects of a server and of this machine, comparable between two runs.

Release numbers, ports and hashes differ from run to run: `snapshot` replaces them, so that two servers in the same
state give equal sets of lines.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.runs import MARK
from tests.faults.secret_scan import core, needles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lab.servers import Server

_RELEASE = re.compile(r"([-:])r\d+(?=$|[-\s])")
_NUMBERS = re.compile(r"\d+")
_HEX = re.compile(r"\b[0-9a-f]{8,}\b")

_SIDE = re.compile(r"/team/side(:v\d|@sha256:[0-9a-f]+)")
"""The image from a registry: versions alternate between two, by their tags or digests."""

_LAST_RUN = re.compile(r"\.job\.[^.\s]+\.old-[0-9a-f]+")
"""Name of the container of a job's last run, which stays for its log and its exit code when a deploy replaces it."""

_FOLDERS = "/tmp /var/tmp /run /home /root /var/lib/ftl /var/backups"
_ENGINE_FOLDERS = (
    *("/run/docker", "/run/containerd", "/run/sudo", "/run/sshd", "/run/user", "/run/utmp"),
    "'/tmp/runc-process*'",  # of starts that a power cut has interrupted
)

# One script, for each call through this machine's engine takes a tenth of a second.
_LOOK = f"""
docker ps --all --format 'container {{{{.Names}}}} {{{{.Image}}}} {{{{.State}}}}'
docker images --format 'image {{{{.Repository}}}}:{{{{.Tag}}}}'
docker network ls --format 'network {{{{.Name}}}}'
docker volume ls --format 'volume {{{{.Name}}}}'
find {_FOLDERS} \\( {" -o ".join(f"-path {folder}" for folder in _ENGINE_FOLDERS)} \\) -prune \\
    -o -printf 'file %m %p\\n' 2> /dev/null
find /etc/docker /etc/ftl /usr/local/sbin -type f -exec sha256sum {{}} + 2> /dev/null | sed 's/^/setting /'
iptables -S 2> /dev/null | grep -i ftl | sed 's/^/rule /'
crontab -u ftl -l 2> /dev/null | sed 's/^/cron /'
ps -eo cgroup:200,args | sed 's/^/process /'
"""

KEPT_RELEASES = 5
"""Releases whose images may be on the server: `keep_releases`, unless ftl.yaml says otherwise."""


def snapshot(server: Server) -> frozenset[str]:
    """Containers, images, networks, volumes, files, settings, jobs and processes of a server, one line each."""
    lines = server.run("sh", "-c", _LOOK, check=False).stdout.decode(errors="replace").splitlines()
    if not any(line.startswith("network ") for line in lines):
        raise RuntimeError("the engine did not answer")
    return frozenset(line for raw in lines if (line := _comparable(raw)))


def foreign(server: Server, *labels: str, folder: str) -> frozenset[str]:
    """IDs and states of everything with one of the labels, and files of a folder, to see that nothing was touched."""
    kinds = (
        "ps --all --no-trunc --format 'container {{.ID}} {{.Names}} {{.State}}'",
        "volume ls --format 'volume {{.Name}}'",
        "network ls --no-trunc --format 'network {{.ID}} {{.Name}}'",
    )
    script = "\n".join(f"docker {kind} --filter 'label={label}'" for label in labels for kind in kinds)
    script += f"\nfind {folder} -printf 'file %M %s %t %p\\n'"
    return frozenset(server.run("sh", "-c", script).stdout.decode().splitlines())


def release_tags(server: Server, repositories: Iterable[str]) -> dict[str, set[str]]:
    """Tags of the releases whose images are on the server, by repository."""
    listed = server.docker("images", "--format", "{{.Repository}} {{.Tag}}").splitlines()
    pairs = [line.partition(" ")[::2] for line in listed]
    return {
        repository: {tag for name, tag in pairs if name == repository and re.fullmatch(r"r\d+", tag)}
        for repository in repositories
    }


def local_leftovers(home: Path, temporary: Path) -> list[str]:
    """Files in the temporary folder and processes with this home, of commands that have ended."""
    files = [f"file here {path.name}" for path in temporary.iterdir()]
    return files + [f"process here {line}" for line in _processes_here(home)]


def exposed_secrets(server: Server, home: Path, values: Iterable[str]) -> list[str]:
    """Files with one of the values, there and in a home here, that other users can read."""
    needles = [core(value) for value in values]
    here = [
        f"file here {path.relative_to(home)}"
        for path in home.rglob("*")
        if path.is_file() and path.stat().st_mode & stat.S_IROTH
        if any(needle in path.read_bytes() for needle in needles)
    ]
    patterns = " ".join(f"-e {needle.decode()}" for needle in needles)
    find = f"find {_FOLDERS} /var/log /etc -type f -perm -o=r -exec grep -lF {patterns} {{}} + 2> /dev/null"
    # A readable file in a folder that is closed to others is not exposed.
    opened = 'while read -r file; do su -s /bin/sh nobody -c "test -r \'$file\'" && echo "$file"; done'
    found = server.run("sh", "-c", f"{find} | {opened}", check=False).stdout.decode(errors="replace")
    return here + [f"file {line}" for line in found.splitlines()]


def stored_secrets(server: Server, folders: Iterable[Path], value: str) -> list[str]:
    """Files of any mode with a value that is to be stored nowhere: there, in volumes too, and in folders here."""
    forms = needles(value)
    here = [
        f"stored here in {path.name}"
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]
    patterns = " ".join(f"-e {form.decode()}" for form in sorted(forms))
    places = f"{_FOLDERS} /etc /var/log /var/lib/docker/volumes /var/lib/docker/containers"
    found = server.run("sh", "-c", f"grep -rlF --devices=skip {patterns} {places} 2> /dev/null", check=False)
    return here + [f"stored in {line}" for line in found.stdout.decode(errors="replace").splitlines()]


def runs_kept(server: Server, project: str) -> list[str]:
    """Jobs of a project of which more than the last run is kept."""
    names = server.docker("ps", "--all", "--format", "{{.Names}}").split()
    kept = sorted(name for name in names if name.startswith(f"{project}.job.") and _LAST_RUN.search(name))
    jobs = [name.partition(".old-")[0] for name in kept]
    return [f"+ {jobs.count(job)} runs of {job} are kept" for job in sorted(set(jobs)) if jobs.count(job) > 1]


def _processes_here(home: Path) -> Iterator[str]:
    mark = f"HOME={home}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has ended, or is another user's


def _comparable(line: str) -> str:
    """A line of `_LOOK` without what differs from run to run; empty for one that does not count."""
    kind, _, rest = line.partition(" ")
    match kind:
        case "container" if _LAST_RUN.search(rest):
            return ""
        case "container":
            state = re.compile(r"(\.job\.\S+ \S+) (created|exited)$")  # it has run, or not yet
            return state.sub(r"\1 idle", _SIDE.sub("/team/side", _RELEASE.sub(r"\1rN", line)))
        case "image":
            return _RELEASE.sub(r"\1rN", line)
        case "file":
            return _HEX.sub("HEX", line)
        case "process":
            return _process(rest)
        case _:
            return line


def _process(line: str) -> str:
    """Shells, docker commands and scripts, and everything inside of containers; not the engine and sshd."""
    cgroup, _, command = line.strip().partition(" ")
    words = command.split()
    if not words or words[-1] == "<defunct>":
        return ""
    text = _NUMBERS.sub("N", _HEX.sub("HEX", " ".join(words)))[:120]
    if "/engine/" in cgroup:
        return f"process in a container: {text}"
    kept = {"sh", "bash", "dash", "perl", "docker", "timeout", "sleep"}
    is_look = _LOOK.strip()[:9] in line or MARK in line
    return f"process {text}" if Path(words[0]).name in kept and not is_look else ""
