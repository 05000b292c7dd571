"""The scripts that write a server's crontab, and that cron runs, on fake programs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.errors import ServerError
from ftl.host import crontab
from ftl.host.crontab import CronLine
from tests.support.fake_machine import Answer, FakeMachine

if TYPE_CHECKING:
    from pathlib import Path

CRONTAB = """#!/bin/sh
file=$HOME/crontab
if [ "$1" = -l ]; then
    [ -f "$file" ] || { echo "no crontab for $USER" >&2; exit 1; }
    cat "$file"
else
    cat > "$file"
fi
"""

DOCKER = """#!/bin/sh
echo "$@" >> "$HOME/docker.log"
case "$*" in
*--type*ftl.when*) cat "$HOME/when" ;;
*ps*label=ftl.project=shop*label=ftl.job=nightly*) cat "$HOME/beside" ;;
*inspect*) echo false ;;
esac
"""


class Server:
    """A folder that stands for a server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name, text in {"crontab": CRONTAB, "docker": DOCKER}.items():
            program = home / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)
        self.env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "USER": "ftl"}

    def run(self, argv: tuple[str, ...], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command line of ours."""
        return subprocess.run(argv, input=stdin, env=self.env, capture_output=True, check=False)

    @property
    def crontab(self) -> list[str]:
        """Its lines."""
        return (self.home / "crontab").read_text().splitlines()

    def started(
        self, when: str, *, running: str = "false", started: str = "0001-01-01T00:00:00Z", beside: str = ""
    ) -> bool:
        """Whether cron starts a job now, by the container's ID; `beside` is another of its containers that runs."""
        (self.home / "when").write_text(f"{when} {running} {started} 5ca1ab1e shop nightly\n")
        (self.home / "beside").write_text(beside)
        (self.home / "docker.log").write_text("")
        script = crontab._job_script()
        self.run(("sh", "-c", script, "job", "/run/docker.sock", "shop.job.nightly"))
        return "start 5ca1ab1e" in (self.home / "docker.log").read_text()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server without a crontab."""
    return Server(tmp_path)


def write(server: Server, project: str, *lines: CronLine) -> subprocess.CompletedProcess[bytes]:
    """Write a project's lines."""
    machine = FakeMachine()
    asyncio.run(crontab.write(machine, project, lines))
    return server.run(machine.commands[0], machine.inputs[0] or b"")


def test_a_project_s_lines_are_replaced_and_all_others_stay(server: Server) -> None:
    """Also those of a project whose name ends like ours, and the user's own."""
    (server.home / "crontab").write_text("MAILTO=me\n5 4 * * * backup # ftl\n")
    nightly = CronLine("shop.job.nightly", "15 3 * * *", "Europe/Berlin")
    write(server, "my-shop", CronLine("my-shop.job.sync", "0 1 * * *", "Europe/Berlin"))
    write(server, "shop", nightly, CronLine("shop.job.old", "0 0 * * *", "Europe/Berlin"))
    write(server, "shop", nightly)
    kept, own, other, ours = server.crontab
    assert (kept, own) == ("MAILTO=me", "5 4 * * * backup # ftl")
    assert other.endswith("my-shop.job.sync >/dev/null 2>&1 # ftl my-shop")
    assert ours == (
        '0,15,30,45 * * * * sh "$HOME/.ftl/job.sh" "/var/run/docker.sock" shop.job.nightly >/dev/null 2>&1 # ftl shop'
    )
    assert (server.home / ".ftl/job.sh").read_text() == crontab._job_script()
    write(server, "shop")
    assert len(server.crontab) == 3


def test_a_crontab_that_cannot_be_read_is_not_overwritten(server: Server) -> None:
    """Its lines would be lost."""
    (server.home / "bin/crontab").write_text(
        "#!/bin/sh\necho 'you are not allowed to use this program'\nexit 1\n"
    )
    done = write(server, "shop", CronLine("shop.job.nightly", "15 3 * * *", "UTC"))
    assert (done.returncode, b"not allowed" in done.stdout) == (3, True)


def test_a_server_without_cron_is_refused_by_the_name_of_what_helps() -> None:
    """The cause is the script's, and setup installs what is missing."""
    machine = FakeMachine()
    machine.answer("check", answer=Answer(3, b"cron is not installed\n"))
    with pytest.raises(ServerError, match="cannot run jobs") as caught:
        asyncio.run(crontab.check(machine, ["UTC"]))
    assert caught.value.cause == "cron is not installed"
    assert "`ftl setup`" in (caught.value.hint or "")


def test_a_job_starts_at_the_time_of_its_label_and_zone(server: Server) -> None:
    """A line of the crontab is only an occasion: the container's label decides, in its own time zone."""
    while time.gmtime().tm_sec > 55:
        time.sleep(1)
    now = time.strftime("%M %H %d %m %w", time.gmtime()).split()
    minute, hour, day, month, weekday = now
    elsewhere = f"{(int(hour) + 3) % 24:02}"
    other_day = "02" if day == "01" else "01"
    assert server.started(f"{minute} {hour} * * * both UTC 60")
    assert server.started(f"00,{minute} * {day} {month} {weekday} both UTC 60")
    assert not server.started(f"{minute} {elsewhere} * * * both UTC 60")
    assert server.started(f"{minute} {elsewhere} * * * both UTC-3 60"), "POSIX signs: three hours ahead"
    assert not server.started(f"* * {other_day} * {weekday} both UTC 60")
    assert server.started(f"* * {other_day} * {weekday} either UTC 60")


def test_a_job_is_never_started_twice(server: Server) -> None:
    """Neither while it runs, nor in the minute in which it was started: two users' crontabs may have its line."""
    while time.gmtime().tm_sec > 55:
        time.sleep(1)
    minute = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
    assert not server.started("* * * * * both UTC 60", running="true")
    assert not server.started("* * * * * both UTC 60", started=f"{minute}:00.1Z")
    assert server.started("* * * * * both UTC 60", started="2026-01-01T00:00:00.1Z")
    assert not server.started("* * * * * both UTC 60", beside="c0ffee\n"), "the run of an earlier release"


def test_a_missing_container_is_no_error(server: Server) -> None:
    """The line of a job that another user has removed."""
    assert not server.started("")
