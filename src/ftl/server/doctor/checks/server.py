"""THERE: whether the server lets us in, and is fit for what is deployed to it."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.errors import LoginRefused
from ftl.figures import duration, size
from ftl.image.transfer.delivery.compress import codec_for
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.engine.values import Container, EngineInfo
    from ftl.errors import FtlError, ServerError
    from ftl.server.doctor.facts import FreeSpace, ServerFacts
    from ftl.server.doctor.gather import EngineInspection

GB = 1000**3

FULL, TIGHT = GB, 5 * GB
"""Bytes that Docker's disk must, and should, have left: an image of a real app is about as large as the first."""

SCARCE = 0.02
"""The share of inodes below which a disk counts as full: layers are many small files."""

SMALL = 400 * 1000**2
"""Bytes of memory and swap: Docker and the proxy take about half of it."""

DRIFT, LOST = 10.0, 300.0
"""Seconds by which clocks may differ before it shows in logs, and before certificates and tokens are refused."""

OLDEST = (20, 10)
"""The oldest Docker that FTL is tried against."""


def judge_refusal(error: FtlError, name: str = "connection") -> Finding:
    """Why the server, or its engine, cannot be worked with."""
    what = f"{error.message}: {error.cause}" if error.cause else error.message
    return Finding("there", name, "problem", what, error.hint)


def judge_unreachable(error: ServerError, login: str, key: str | None) -> Finding:
    """Why ssh does not get in; `login` is what follows `ssh`, `key` the file that ftl.yaml names."""
    found = judge_refusal(error)
    if not isinstance(error, LoginRefused):
        return found
    copy = f"`ssh-copy-id {f'-i {quote(key)}.pub ' if key else ''}{login}`"
    return replace(
        found,
        fix=f"{copy} brings the key there, if another way in is open (`ftl setup` makes users); {error.hint}",
    )


def judge_system(survey: ServerFacts) -> Finding:
    """The way in stands: as whom, and into what."""
    system = f" ({survey.system})" if survey.system else ""
    return Finding("there", "connection", "ok", f"reached as {survey.user}{system}")


def judge_docker(docker: EngineInspection, survey: ServerFacts) -> list[Finding]:
    """The engine: whether it can be used, what it is, and how images get there."""
    if docker.info is None:
        return [judge_refusal(docker.refusal, "docker")] if docker.refusal else []
    return [*judge_engine(docker.info, survey.user), judge_zstd(docker.info, has_program=survey.has_zstd)]


def judge_engine(info: EngineInfo, user: str) -> list[Finding]:
    """The engine's version and store; that it answered means that this user may use it."""
    version = tuple(int(part) for part in info.version.split(".")[:2] if part.isdigit())
    text = f"Docker {info.version}, {info.platform}, {info.store} store"
    access = Finding("there", "docker group", "ok", f"{user} may use Docker")
    if version and version < OLDEST:
        what = f"{text}: older than 20.10, which FTL is not tried with"
        return [access, Finding("there", "engine", "warning", what, "update Docker there")]
    return [access, Finding("there", "engine", "ok", text)]


def judge_zstd(info: EngineInfo, *, has_program: bool) -> Finding:
    """How images travel: the program zstd puts differences together, an engine alone takes whole layers."""
    if has_program:
        return Finding("there", "zstd", "ok", "changed layers travel as differences")
    form = codec_for(info).name
    what = f"no program zstd: changed layers travel whole (as {form}), and what is cut off begins anew"
    return Finding(
        "there", "zstd", "warning", what, "`ftl setup` installs it, or `sudo apt-get install zstd`"
    )


def judge_machine(survey: ServerFacts) -> list[Finding]:
    """Disk, memory and clock."""
    return [
        *judge_disk(survey.disk, survey.inodes, survey.root),
        *judge_memory(survey.memory),
        judge_clock(survey.skew),
    ]


def judge_disk(disk: FreeSpace | None, inodes: FreeSpace | None, root: str) -> list[Finding]:
    """The room where Docker keeps images."""
    fix = "`docker system df` there shows what takes the room, `docker image prune` frees what nothing uses"
    if disk is None:
        return []
    if inodes is not None and inodes.total and inodes.share < SCARCE:
        what = f"{root} has {inodes.free} inodes left, of {inodes.total}"
        return [Finding("there", "disk", "problem", what, fix)]
    what = f"{size(disk.free)} of {size(disk.total)} are free in {root}"
    if disk.free < FULL:
        return [Finding("there", "disk", "problem", f"only {what}", fix)]
    if disk.free < TIGHT:
        return [Finding("there", "disk", "warning", f"only {what}", fix)]
    return [Finding("there", "disk", "ok", what)]


def judge_memory(memory: dict[str, int]) -> list[Finding]:
    """Whether the old and the new release find room side by side; swap counts."""
    if "MemTotal" not in memory or "MemAvailable" not in memory:
        return []
    free = memory["MemAvailable"]
    swap = memory.get("SwapTotal", 0)
    what = f"{size(free)} of {size(memory['MemTotal'])} are free, " + (
        f"{size(swap)} swap" if swap else "no swap"
    )
    if memory["MemTotal"] + swap < SMALL or free + swap < SMALL / 4:
        fix = "`ftl setup --swap 1G` adds swap; or stop what is not needed"
        return [Finding("there", "memory", "warning", what, fix)]
    return [Finding("there", "memory", "ok", what)]


def judge_clock(skew: float) -> Finding:
    """Whether the server's clock goes with this machine's."""
    off = abs(skew)
    if off < DRIFT:
        return Finding("there", "clock", "ok", "goes with this machine's")
    what = f"is {duration(off)} {'ahead of' if skew > 0 else 'behind'} this machine's"
    fix = "the wrong one of the two: `sudo timedatectl set-ntp true`"
    return Finding("there", "clock", "problem" if off >= LOST else "warning", what, fix)


# --- the proxy's ports ----------------------------------------------------------------------------------


def proxy_of(containers: Iterable[Container]) -> Container | None:
    """The container that is FTL's proxy."""
    return next((one for one in containers if one.labels.get(labels.ROLE) == labels.ROLE_PROXY), None)


def holder(port: int, containers: Iterable[Container]) -> Container | None:
    """The container for which the server listens on a TCP port."""
    return next(
        (
            one
            for one in containers
            if any(mine.host_port == port and mine.protocol == "tcp" for mine in one.published)
        ),
        None,
    )


def judge_port(port: int, survey: ServerFacts, containers: Sequence[Container]) -> Finding:
    """Whether one of the proxy's ports is free or the proxy's."""
    name = f"port {port}"
    taken = holder(port, containers)
    if taken is not None and taken == proxy_of(containers):
        return Finding("there", name, "ok", "is the proxy's")
    if taken is not None:
        what = f"is taken by the container {taken.name} ({taken.image}); the proxy needs it"
        return Finding("there", name, "problem", what, f"on the server: `docker stop {taken.name}`")
    if not any(one.port == port for one in survey.listeners):
        return Finding("there", name, "ok", "is free for the proxy")
    if len(survey.programs) == 1:
        what = f"is taken, by {survey.programs[0]} as it seems; the proxy needs it"
        fix = f"on the server: `sudo systemctl disable --now {survey.programs[0]}`"
        return Finding("there", name, "problem", what, fix)
    what = "is taken by another program; the proxy needs it"
    return Finding(
        "there", name, "problem", what, f"on the server: `sudo ss -ltnp 'sport = :{port}'` names it"
    )
