"""Checks of the server: login, engine, disk, memory, clock, and the proxy's ports."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from ftl.common.figures import count, duration, size
from ftl.common.next_step import ftl
from ftl.errors import LoginRefused
from ftl.image.transfer.delivery.compress import codec_for
from ftl.releases.pruned import CAUSE, HINT
from ftl.server.doctor.facts import proxy_of, publisher_of
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.values import Container, EngineInfo
    from ftl.errors import FtlError, ServerError
    from ftl.host.jobs import JobState
    from ftl.server.doctor.disk_growth import DiskGrowth
    from ftl.server.doctor.facts import EngineState, ServerFacts
    from ftl.server.facts.reader import FreeSpace

GB = 1000**3

FULL, TIGHT = GB, 5 * GB
"""Free bytes on Docker's disk below which it is a problem, or a warning.

The image of a real app is about as large as the first.
"""

FEW_INODES = 0.02
"""Share of free inodes below which a disk counts as full: layers are many small files."""

LITTLE_MEMORY = 400 * 1000**2
"""Bytes of memory and swap: Docker and the proxy take about half of it."""

DRIFT, WRONG = 10.0, 300.0
"""Seconds between clocks from which logs mislead, and from which certificates and tokens fail."""

SHOWN = 60
"""Characters of the output of login scripts that are shown."""

OLDEST = (20, 10)
"""The oldest Docker that FTL is tested with."""


def judge_error(error: FtlError, name: str = "connection") -> Finding:
    """The error why the server, or its engine, cannot be used."""
    return Finding("there", name, "problem", error.summary, error.hint)


def judge_unreachable(error: ServerError, login: str, key: str | None) -> Finding:
    """The error why ssh cannot connect or log in.

    `login` is the arguments of `ssh-copy-id` for this server, `key` the file that ftl.yaml names.
    """
    finding = judge_error(error)
    if not isinstance(error, LoginRefused):
        return finding
    copy = f"`ssh-copy-id {f'-i {quote(key)}.pub ' if key else ''}{login}`"
    return replace(
        finding,
        fix=f"{copy} installs the key, if another login works ({ftl('setup')} creates users); {error.hint}",
    )


def judge_job(job: JobState) -> Finding:
    """A job: one that failed, or did not run when it was due, is a problem."""
    name = f"job {job.name}"
    if not job.problem:
        detail = "stopped with its service" if job.stopped else f"runs next at {job.next}"
        return Finding("there", name, "ok", detail)
    fix = f"{ftl(f'logs --job {job.name}')} shows what it wrote, {ftl(f'jobs run {job.name}')} runs it now"
    return Finding("there", name, "problem", job.problem, fix)


LOST_RECORDS = Finding("there", "release records", "problem", f"they cannot be read: {CAUSE}", HINT)


def judge_login(facts: ServerFacts) -> Finding:
    """The login, which worked: the user and the system."""
    system = f" ({facts.system})" if facts.system else ""
    return Finding("there", "connection", "ok", f"logged in as {facts.user}{system}")


def judge_login_output(output: str) -> list[Finding]:
    """Output of login scripts: FTL drops it, other programs (scp, rsync) fail on it."""
    if not output:
        return []
    first = output.splitlines()[0]
    text = first if len(first) <= SHOWN else f"{first[:SHOWN]}..."
    what = f"~/.bashrc or ~/.ssh/rc prints without a terminal: {text}"
    fix = "print only in interactive shells, such as after `[ -t 1 ] || return` in ~/.bashrc; scp and rsync fail on it"
    return [Finding("there", "login scripts", "warning", what, fix)]


def judge_docker(engine: EngineState, facts: ServerFacts) -> list[Finding]:
    """The engine: whether it can be used, its version, and the form in which it gets images."""
    if engine.info is None:
        return [judge_error(engine.error, "docker")] if engine.error else []
    return [*judge_engine(engine.info, facts.user), judge_zstd(engine.info, has_zstd=facts.has_zstd)]


def judge_engine(info: EngineInfo, user: str) -> list[Finding]:
    """The engine's version and store; its answer shows that this user may use it."""
    version = tuple(int(part) for part in info.version.split(".")[:2] if part.isdigit())
    text = f"Docker {info.version}, {info.platform}, {info.store} store"
    access = Finding("there", "docker group", "ok", f"{user} may use Docker")
    if version and version < OLDEST:
        what = f"{text}: older than 20.10, the oldest version that FTL is tested with"
        return [access, Finding("there", "engine", "warning", what, "update Docker on the server")]
    return [access, Finding("there", "engine", "ok", text)]


def judge_zstd(info: EngineInfo, *, has_zstd: bool) -> Finding:
    """The form in which images are sent: zstd applies deltas, an engine takes whole layers."""
    if has_zstd:
        return Finding("there", "zstd", "ok", "changed layers are sent as deltas")
    form = codec_for(info).name
    what = f"zstd is not installed: changed layers are sent whole (as {form}), and interrupted transfers start over"
    return Finding(
        "there", "zstd", "warning", what, f"{ftl('setup')} installs it, or `sudo apt-get install zstd`"
    )


def judge_machine(facts: ServerFacts) -> list[Finding]:
    """Disk, memory and clock."""
    return [
        *judge_disk(facts.disk, facts.inodes, facts.root),
        *judge_memory(facts.memory),
        judge_clock(facts.skew),
    ]


def judge_disk(disk: FreeSpace | None, inodes: FreeSpace | None, root: str) -> list[Finding]:
    """Free space where Docker keeps images."""
    fix = "on the server: `docker system df` shows what uses it, `docker image prune` removes unused images"
    if disk is None:
        return []
    if inodes is not None and inodes.total and inodes.share < FEW_INODES:
        what = f"{root} has {inodes.free} inodes left, of {inodes.total}"
        return [Finding("there", "disk", "problem", what, fix)]
    what = f"{size(disk.free)} of {size(disk.total)} are free in {root}"
    if disk.free < FULL:
        return [Finding("there", "disk", "problem", f"only {what}", fix)]
    if disk.free < TIGHT:
        return [Finding("there", "disk", "warning", f"only {what}", fix)]
    return [Finding("there", "disk", "ok", what)]


def judge_growth(growth: DiskGrowth | None, disk: FreeSpace | None) -> list[Finding]:
    """Forecast for the disk by the space of each deploy, before old images are removed."""
    if growth is None or disk is None:
        return []
    each = f"a deploy adds about {size(growth.bytes)}, and `keep_releases` is {growth.keep}"
    deploys = disk.free // growth.bytes
    if deploys >= growth.deploys:
        return [Finding("there", "disk forecast", "ok", f"{each}: that fits")]
    when = f"full in {count(deploys, 'deploy')}" if deploys else "full with the next deploy"
    fix = f"a lower `keep_releases` in ftl.yaml, {ftl('prune')}, or a larger disk"
    return [Finding("there", "disk forecast", "warning", f"{when}: {each}", fix)]


def judge_memory(memory: dict[str, int]) -> list[Finding]:
    """Memory for the old and the new release at the same time; swap counts."""
    if "MemTotal" not in memory or "MemAvailable" not in memory:
        return []
    free = memory["MemAvailable"]
    swap = memory.get("SwapTotal", 0)
    swap_text = f"{size(swap)} swap" if swap else "no swap"
    what = f"{size(free)} of {size(memory['MemTotal'])} are free, {swap_text}"
    if memory["MemTotal"] + swap < LITTLE_MEMORY or free + swap < LITTLE_MEMORY / 4:
        fix = f"{ftl('setup --swap 1G')} adds swap; or stop programs that are not needed"
        return [Finding("there", "memory", "warning", what, fix)]
    return [Finding("there", "memory", "ok", what)]


def judge_clock(skew: float) -> Finding:
    """Agreement of the server's clock with this machine's."""
    off = abs(skew)
    if off < DRIFT:
        return Finding("there", "clock", "ok", "agrees with this machine's")
    what = f"is {duration(off)} {'ahead of' if skew > 0 else 'behind'} this machine's"
    fix = "on the machine whose clock is wrong: `sudo timedatectl set-ntp true`"
    return Finding("there", "clock", "problem" if off >= WRONG else "warning", what, fix)


def judge_port(port: int, facts: ServerFacts, containers: Sequence[Container]) -> Finding:
    """One of the proxy's ports: free, used by the proxy, or taken."""
    name = f"port {port}"
    publisher = publisher_of(port, containers)
    if publisher is not None and publisher == proxy_of(containers):
        return Finding("there", name, "ok", "is used by the proxy")
    if publisher is not None:
        what = f"is taken by the container {publisher.name} ({publisher.image}); the proxy needs it"
        return Finding("there", name, "problem", what, f"on the server: `docker stop {publisher.name}`")
    if not any(listener.port == port for listener in facts.listeners):
        return Finding("there", name, "ok", "is free for the proxy")
    if len(facts.web_servers) == 1:
        (program,) = facts.web_servers
        what = f"is taken, apparently by {program}; the proxy needs it"
        return Finding(
            "there", name, "problem", what, f"on the server: `sudo systemctl disable --now {program}`"
        )
    what = "is taken by another program; the proxy needs it"
    fix = f"on the server: `sudo ss -ltnp 'sport = :{port}'` shows which"
    return Finding("there", name, "problem", what, fix)
