"""The deploy user's crontab on a server: lines that start jobs and end previews.

A line only wakes a script, which asks the job's container whether its schedule wants it now: cron on Debian knows no
time zone but the server's. See docs/decisions/0023-jobs-by-the-servers-cron.md.
"""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING, Literal

from ftl.common.next_step import ftl
from ftl.common.programs import program, shell
from ftl.config.values.schedule import Schedule
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.values import Container
    from ftl.ssh.machine import Machine

SECONDS = 30.0
START_SECONDS = 120.0
"""For the crontab; for a job that another one may be starting, on an engine under load."""

UTC = "UTC"

EXPIRY = "*/5 * * * *"
"""Schedule of the script that removes a preview once its time is over."""

CATCH_UP_TIMES = ("* * * * *", "@reboot")
"""Times at which a server of a cluster looks whether its proxy is behind."""

Difference = Literal["", "outdated", "lost"]
"""Difference of a crontab and its script from the wanted ones; "lost": no job may start."""

_PATH = "PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin:/snap/bin\n"


@dataclass(frozen=True, slots=True)
class CronLine:
    """A job as the crontab has it; `schedule` has five fields, by the clock of `timezone`."""

    container: str
    schedule: str
    timezone: str

    @classmethod
    def of(cls, container: Container) -> CronLine:
        """The line that starts a job's container, by its labels."""
        when = container.labels.get(labels.WHEN, "").split()
        return cls(
            container.name, container.labels.get(labels.SCHEDULE, ""), when[6] if len(when) == 8 else ""
        )


async def check(machine: Machine, timezones: Iterable[str]) -> None:
    """Make sure that a server can run jobs; without time zones, that it can end previews.

    Raises:
        ServerError: It has no cron, or does not know a time zone.
    """
    zones = sorted(set(timezones))
    message = f"{machine.name} cannot {'run jobs' if zones else 'end previews'}"
    hint = f"{ftl('setup')} installs cron and the time zones, and starts cron"
    await _run(machine, _command("check", "-", *zones), message, hint=hint)


async def write(machine: Machine, project: str, lines: Sequence[CronLine]) -> None:
    """Replace a project's lines; all others stay as they are.

    Raises:
        ServerError: The crontab cannot be read or written.
    """
    argv = _command("write", project, machine.engine_socket, job_script())
    await _write(machine, argv, text_of(lines))


async def compare(machine: Machine, project: str, lines: Sequence[CronLine]) -> Difference:
    """Compare the crontab and its script with those that `write` would write.

    A crontab that cannot be read is as it should be: `write` could not change it.
    """
    digest = hashlib.sha256(job_script().encode()).hexdigest()
    argv = _command("compare", project, machine.engine_socket, digest)
    done = await machine.run(argv, stdin=text_of(lines).encode(), timeout=SECONDS)
    answers: dict[str, Difference] = {"lost": "lost", "outdated": "outdated"}
    return answers.get(done.text.strip(), "") if done.exit_code == 0 else ""


async def checks_certificates(machine: Machine, project: str) -> bool:
    """Whether the crontab starts the daily check of certificates (`write_notifications`).

    One that cannot be read counts as doing so: it could not be written either.
    """
    done = await machine.run(_command("checks", project), timeout=SECONDS)
    return done.exit_code != 0 or done.text.strip() != "lost"


def text_of(lines: Sequence[CronLine]) -> str:
    """Input of the script that writes these lines."""
    return "".join(f"{_fields(line)}|{line.container}\n" for line in lines)


async def write_expiry(machine: Machine, project: str, places: Sequence[str]) -> None:
    """Have the server remove a preview when its time is over, or do so no longer.

    `places` are the proxy's container, the container of the release records and their folder in it; empty: no longer.

    Raises:
        ServerError: The crontab cannot be read or written.
    """
    argv = _command("expire", project, machine.engine_socket, expiry_script())
    line = "|".join((EXPIRY, EXPIRY, " ".join((project, *places))))
    await _write(machine, argv, f"{line}\n" if places else "")


async def write_catch_up(machine: Machine, project: str, script: str, places: Sequence[str]) -> None:
    """Have a server of a cluster keep its proxy at the live release, or stop that.

    The server is a manager. `script` is the text of follow.sh, with what it catches up with; `places` are the proxy's
    container and its admin API's address; empty: no longer.

    Raises:
        ServerError: It has no cron, or the crontab cannot be read or written.
    """
    argv, text = _catch_up(machine, project, script, places)
    await _write(machine, [*argv, _key(argv, text)], text)


def await_catch_up(project: str) -> list[str]:
    """Command that waits until a catch-up has ended, and prints the entries of the crontab."""
    script = program("ftl.common", "scripts/own_processes.sh")
    script += program("ftl.host", "scripts/await_catch_up.sh")
    return shell(script, "ftl-await", project)


def catch_up_state(machine: Machine, project: str, script: str, places: Sequence[str]) -> str:
    """Output of `await_catch_up` on a server where `write_catch_up` has nothing to do."""
    key = _key(*_catch_up(machine, project, script, places))
    return f"{key} {hashlib.sha256(script.encode()).hexdigest()} {len(CATCH_UP_TIMES)}"


def _catch_up(machine: Machine, project: str, script: str, places: Sequence[str]) -> tuple[list[str], str]:
    argv = _command("follow", project, machine.engine_socket, script)
    arguments = " ".join((project, *places))
    each, boot = CATCH_UP_TIMES
    lines = (f"{each}|{each}|{arguments}\n", f"{boot}|{boot}|{arguments} boot\n")
    return argv, "".join(lines) if places else ""


def _key(argv: Sequence[str], text: str) -> str:
    return hashlib.sha256("\0".join((*argv, text)).encode()).hexdigest()


async def _write(machine: Machine, argv: Sequence[str], text: str) -> None:
    await _run(machine, argv, f"the crontab on {machine.name} cannot be changed", stdin=text.encode())


async def _run(
    machine: Machine,
    argv: Sequence[str],
    message: str,
    *,
    stdin: bytes | None = None,
    hint: str | None = None,
) -> None:
    done = await machine.run(argv, stdin=stdin, timeout=SECONDS)
    if done.exit_code != 0:
        raise ServerError(message, cause=done.text.strip() or done.error_text, hint=hint)


async def write_notifications(machine: Machine, project: str, *, certificates: bool, posts: bool) -> None:
    """Write the scripts that send a project's messages, and the line of the daily check.

    Without `certificates` the line goes. Where it `posts`, the server needs curl or wget.

    Raises:
        ServerError: The server cannot do it.
    """
    script = _certificates_script() if certificates else ""
    argv = _command("notify", project, machine.engine_socket, job_script(), script, "posts" if posts else "")
    hint = f"{ftl('setup')} installs cron; curl and openssl are in packages of these names"
    await _run(machine, argv, f"{machine.name} cannot send notifications", hint=hint)


async def start(machine: Machine, container: str) -> str:
    """Start a job by hand; the ID of its container, empty where a run of it is under way.

    The server enforces its timeout.

    Raises:
        FtlError: The container is gone, or does not start.
    """
    argv = shell(job_script(), "ftl-job", machine.engine_socket, container, "now")
    done = await machine.run(argv, timeout=START_SECONDS)
    word, _, text = done.text.strip().partition(" ")
    match word:
        case "started":
            return text
        case "running":
            return ""
        case "gone":
            raise FtlError(f"there is no container {container}", hint=f"{ftl('deploy')} creates it again")
    raise FtlError(f"{container} does not start", cause=text or done.error_text or None)


def _command(action: str, *arguments: str) -> list[str]:
    return shell(crontab_script(), "ftl-crontab", action, *arguments)


def crontab_script() -> str:
    """The script that changes the crontab, for a server that does it by itself."""
    common = program("ftl.common", "scripts/replace_file.sh", "scripts/own_processes.sh")
    return common + program("ftl.host", "scripts/crontab.sh")


def _of_cron(*parts: str) -> str:
    """A script for cron, whose PATH is short, with `docker` of the engine that FTL uses."""
    return "".join((_PATH, program("ftl.proxy", "scripts/docker.sh"), *parts))


def job_script() -> str:
    """The script that cron starts for each job."""
    own = program("ftl.host", "scripts/records.sh", "scripts/notify.sh", "scripts/job.sh")
    return _of_cron(program("ftl.locks", "lock_file.sh"), own)


def _certificates_script() -> str:
    return _of_cron(program("ftl.host", "scripts/records.sh", "scripts/notify.sh", "scripts/certificates.sh"))


def catch_up_script(parts: Mapping[str, str]) -> str:
    """The script that cron starts on the servers of a cluster.

    `parts` are names of variables of the script -> texts of scripts that run inside the proxy.
    """
    texts = "".join(f"{name}={shlex.quote(text)}\n" for name, text in parts.items())
    return _of_cron(texts, program("ftl.host", "scripts/follow.sh"))


def expiry_script() -> str:
    """The script that cron starts for each preview."""
    removal = f"removal={shlex.quote(program('ftl.host', 'scripts/remove_backups.sh'))}\n"
    own = program("ftl.host", "scripts/records.sh", "scripts/expire.sh")
    return _of_cron(removal, program("ftl.locks", "lock_file.sh"), own)


def _fields(line: CronLine) -> str:
    """Times at which cron wakes the script: where the server's clock is UTC, and elsewhere.

    Elsewhere it is at the schedule's minutes in each hour, moved by quarters: the offsets of all time zones are
    multiples of 15 minutes.
    """
    minutes = Schedule.parse(line.schedule).minutes
    moved = {(minute + quarter) % 60 for minute in minutes for quarter in (0, 15, 30, 45)}
    field = "*" if len(moved) == 60 else ",".join(map(str, sorted(moved)))
    elsewhere = f"{field} * * * *"
    return f"{line.schedule if line.timezone == UTC else elsewhere}|{elsewhere}"
