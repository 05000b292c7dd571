"""Watch of a release by `scripts/watch.sh` on its server, see docs/decisions/0028."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import ServerError
from ftl.host import crontab
from ftl.proxy.docker_script import NO_DOCKER, docker_script
from ftl.proxy.names import ACCESS_LOG, ADMIN, ProxyNames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.host.crontab import CronLine
    from ftl.proxy.configuration.prepared import PreparedRoutes
    from ftl.ssh.machine import Machine

_SECONDS = 60.0
"""For the script to read the figures before the switch, and to go to the background."""


@dataclass(frozen=True, slots=True)
class ServiceContainers:
    """Containers of a watched service, by ID.

    Attributes:
        old_alias: Alias that its live file has until the switch.
        new_alias: Alias that it has afterwards.
        idle: The old ones do not run meanwhile.
    """

    name: str
    old_alias: str
    new_alias: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    idle: bool

    def lines(self) -> Iterator[str]:
        """Lines of the script's input."""
        yield f"service {self.name} {self.old_alias} {self.new_alias}"
        yield from (f"{'idle' if self.idle else 'old'} {container}" for container in self.old)
        yield from (f"new {container}" for container in self.new)


@dataclass(frozen=True, slots=True)
class JobContainers:
    """Containers of a watched release's job, by ID.

    Attributes:
        name: Name of the old container until the switch: the one that cron starts, unless it was stopped.
        fresh: Name of the new container until the switch.
        new: Empty where the release has no such job any more.
        old: Empty where the job is new.
    """

    name: str
    fresh: str
    new: str
    old: str

    def lines(self) -> Iterator[str]:
        """Lines of the script's input."""
        fresh = f"{self.new} {self.fresh}" if self.new else "- -"
        yield f"job {fresh} {f'{self.old} {self.name}' if self.old else '- -'}"


@dataclass(frozen=True, slots=True)
class WatchScript:
    """Arguments and input of the script.

    Attributes:
        seconds: How long it watches, from the switch.
        stop: Seconds for a container to stop.
        drain: Seconds for containers to finish their requests.
        records: The project's folder in the container of the release records.
        lock: Key of the deploy lock.
        holder: Its name for others who want the lock.
        report: Beginning of the JSON object to which it adds how it ended.
        routes: Set where routes change.
        crontab: Lines of the crontab before the release, where they change.
        also: Services that keep their containers, and whose failed requests count: their routes may change.
    """

    project: str
    release: str
    seconds: float
    stop: float
    drain: float
    records: str
    lock: str
    holder: str
    report: str
    containers: tuple[ServiceContainers | JobContainers, ...]
    routes: PreparedRoutes | None = None
    crontab: Sequence[CronLine] | None = None
    also: Sequence[str] = ()

    def arguments(self) -> tuple[str, ...]:
        """Its arguments, in the order of its first lines."""
        return (
            self.project,
            self.release,
            *(str(math.ceil(seconds)) for seconds in (self.seconds, self.stop, self.drain)),
            ProxyNames().container,
            ADMIN,
            ACCESS_LOG,
            program("ftl.proxy", "scripts/request_figures.sh"),
            program("ftl.proxy", "scripts/switch.sh"),
            self.records,
            program("ftl.proxy", "scripts/proxy_lock.sh", "scripts/reload.sh") if self.routes else "",
            *(("", "") if self.crontab is None else (crontab.crontab_script(), crontab.job_script())),
        )

    def stdin(self) -> bytes:
        """Its input."""
        lines = (
            self.lock,
            self.holder,
            self.report,
            *(line for one in self.containers for line in one.lines()),
            *self._more_lines(),
        )
        return "".join(f"{line}\n" for line in lines).encode()

    def _more_lines(self) -> Iterator[str]:
        if self.routes is not None:
            yield f"base {self.routes.base}"
            yield from (f"also {name}" for name in self.also)
            yield f"routes back {b64encode(self.routes.back).decode()}"
            yield f"routes on {b64encode(self.routes.on).decode()}"
        if self.crontab is not None:
            yield "crontab"
            yield from (f"cron {line}" for line in crontab.text_of(self.crontab).splitlines())


async def start_watch(machine: Machine, script: WatchScript) -> None:
    """Start the script on the server; it ends by itself if the switch does not follow.

    Raises:
        ServerError: The server cannot run it.
    """
    text = program("ftl.locks", "lock_file.sh") + program("ftl.host", "scripts/watch.sh")
    argv = docker_script(machine, text, "ftl-watch", *script.arguments())
    done = await machine.run(argv, stdin=script.stdin(), timeout=_SECONDS)
    answer = done.text.strip()
    if answer != "watching":
        missing = "there is no `docker` on the server" if done.exit_code == NO_DOCKER else ""
        cause = missing or answer.removeprefix("failed ") or done.error_text
        raise ServerError(
            f"{machine.name} cannot watch {script.release}",
            cause=cause or None,
            hint=f"{ftl('deploy')} without --watch works",
        )
