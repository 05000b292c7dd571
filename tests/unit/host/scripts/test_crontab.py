"""The scripts that write a server's crontab, and that cron runs, on fake programs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, ServerError
from ftl.host import crontab
from ftl.host.crontab import CronLine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.host.scripts.programs import put_programs

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
*start*)
    # It takes a moment, and runs then; the next time another container has its name.
    [ ! -e "$HOME/refuses" ] || { rm "$HOME/refuses"; echo 'No such container' >&2; exit 1; }
    sleep 0.5
    echo 5ca1ab1e >"$HOME/beside"
    sed -i s/5ca1ab1e/0ddba11/ "$HOME/when"
    ;;
*info*Swarm*) cat "$HOME/swarm" ;;
*node*inspect*ftl.jobless.shop*)
    # The other managers answer by the second time.
    [ -e "$HOME/asked" ] || { touch "$HOME/asked"; exit 1; }
    cat "$HOME/jobless"
    ;;
*info*) echo "$HOME" ;;
*inspect*) echo false ;;
esac
"""


class Server:
    """A folder that stands for a server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.network = "ftl-shop"
        put_programs(home / "bin", {"crontab": CRONTAB, "docker": DOCKER})
        self.env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "USER": "ftl"}

    def run(self, argv: tuple[str, ...], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command line of ours."""
        return subprocess.run(argv, input=stdin, env=self.env, capture_output=True, check=False)

    @property
    def crontab(self) -> list[str]:
        """Its lines."""
        return (self.home / "crontab").read_text().splitlines()

    def job(self, when: str, *, started: str = "0001-01-01T00:00:00Z", beside: str = "") -> None:
        """Have a job; `beside` is the container of it that runs."""
        (self.home / "when").write_text(
            f"{when} {started} 5ca1ab1e shop nightly {self.network}\n" if when else ""
        )
        (self.home / "beside").write_text(beside)
        (self.home / "docker.log").write_text("")

    def in_cluster(self, state: str, jobless: str) -> None:
        """Make it a server of a cluster, with its membership and the label of its node."""
        self.network = "ftl-c-shop"
        (self.home / "swarm").write_text(f"{state}\n")
        (self.home / "jobless").write_text(f"{jobless}\n")

    @property
    def starts(self) -> list[str]:
        """Containers that were started."""
        lines = (self.home / "docker.log").read_text().splitlines()
        return [line.rpartition(" ")[2] for line in lines if " start " in line]

    def started(self, when: str, *, started: str = "0001-01-01T00:00:00Z", beside: str = "") -> bool:
        """Whether cron starts a job now, by the container's ID."""
        self.job(when, started=started, beside=beside)
        self.run(JOB)
        return self.starts == ["5ca1ab1e"]


JOB = ("sh", "-c", crontab.job_script(), "job", "/run/docker.sock", "shop.job.nightly")


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
    assert (server.home / ".ftl/job.sh").read_text() == crontab.job_script()
    write(server, "shop")
    assert len(server.crontab) == 3


@pytest.mark.parametrize(
    ("state", "jobless", "starts"),
    [
        ("active true", "", True),
        ("active true", "true", False),
        ("pending true", "true", False),
        ("active false", "true", True),
        ("inactive false", "true", True),
    ],
)
def test_a_server_that_was_away_does_not_start_jobs_that_another_one_has(
    server: Server, state: str, jobless: str, starts: bool
) -> None:
    """It waits until a manager says so; a worker cannot know, and what left the cluster is asked nothing."""
    server.in_cluster(state, jobless)
    assert server.started("* * * * * both UTC 60") is starts


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
    machine.answer("check", answer=CommandOutput(3, b"cron is not installed\n"))
    with pytest.raises(ServerError, match="cannot run jobs") as caught:
        asyncio.run(crontab.check(machine, ["UTC"]))
    assert caught.value.cause == "cron is not installed"
    assert "`ftl setup`" in (caught.value.hint or "")
    with pytest.raises(ServerError, match="cannot end previews"):
        asyncio.run(crontab.check(machine, []))


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
    assert not server.started("* * * * * both UTC 60", started=f"{minute}:00.1Z")
    assert server.started("* * * * * both UTC 60", started="2026-01-01T00:00:00.1Z")
    assert not server.started("* * * * * both UTC 60", beside="c0ffee\n"), (
        "this run, or one of an earlier release"
    )


def test_of_those_who_start_a_job_at_once_one_does(server: Server) -> None:
    """By cron and by hand, and although a deploy gives its name to another container meanwhile."""
    server.job("* * * * * both UTC 60")
    with ThreadPoolExecutor() as threads:
        done = list(threads.map(server.run, (JOB, (*JOB, "now"), (*JOB, "now"), JOB)))
    assert server.starts == ["5ca1ab1e"]
    by_hand = sorted(one.stdout.strip() for one in done if one.stdout)
    assert by_hand in ([b"running", b"running"], [b"running", b"started 5ca1ab1e"])


def test_a_container_that_a_deploy_replaces_meanwhile_is_looked_up_again(server: Server) -> None:
    """The run is not missed."""
    server.job("* * * * * both UTC 60")
    (server.home / "refuses").touch()
    assert server.run((*JOB, "now")).stdout == b"started 5ca1ab1e\n"
    assert len(server.starts) == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [("gone", "no container"), ("failed no memory", "does not start"), ("", "does not start")],
)
def test_a_job_that_cannot_be_started_by_hand_is_an_error(answer: str, message: str) -> None:
    """With the engine's reason."""
    machine = FakeMachine()
    machine.answer("ftl-job", answer=CommandOutput(0, f"{answer}\n".encode(), b"no shell"))
    with pytest.raises(FtlError, match=message) as caught:
        asyncio.run(crontab.start(machine, "shop.job.nightly"))
    assert caught.value.cause == {"gone": None, "failed no memory": "no memory", "": "no shell"}[answer]


def test_a_missing_container_is_no_error(server: Server) -> None:
    """The line of a job that another user has removed."""
    (server.home / "swarm").write_text("inactive false\n")  # without an answer it asks again for two minutes
    assert not server.started("")


def differs(server: Server, project: str, *lines: CronLine) -> str:
    """In what the crontab and its script differ from these lines."""
    machine = FakeMachine()
    asyncio.run(crontab.compare(machine, project, lines))
    done = server.run(machine.commands[0], machine.inputs[0] or b"")
    machine.answer("compare", answer=CommandOutput(done.returncode, done.stdout))
    return asyncio.run(crontab.compare(machine, project, lines))


def test_a_crontab_or_a_script_that_somebody_emptied_is_told(server: Server) -> None:
    """Or changed; lines of others are theirs, and the comparison creates nothing."""
    lines = [CronLine(f"shop.job.{name}", "15 3 * * *", "Europe/Berlin") for name in ("b", "a")]
    assert differs(server, "shop", *lines) == "lost"
    assert not (server.home / ".ftl").exists()
    write(server, "shop", *lines)
    write(server, "my-shop", CronLine("my-shop.job.sync", "0 1 * * *", "UTC"))
    assert not differs(server, "shop", *reversed(lines))
    assert differs(server, "shop", lines[0]) == "lost"
    table, script = server.home / "crontab", server.home / ".ftl/job.sh"
    for text in ("", table.read_text().replace(" * * * *", " 5 * * *", 1)):
        table.write_text(text)
        assert differs(server, "shop", *lines) == "lost"
        write(server, "shop", *lines)
        assert not differs(server, "shop", *lines)
    table.unlink()
    assert differs(server, "shop", *lines) == "lost"
    write(server, "shop", *lines)
    script.write_text("")
    assert differs(server, "shop", *lines) == "lost"
    script.write_text("exit # of another FTL")
    assert differs(server, "shop", *lines) == "outdated"
    script.unlink()
    assert differs(server, "shop", *lines) == "lost"
    write(server, "shop", *lines)
    (server.home / "bin/crontab").write_text("#!/bin/sh\necho 'you are not allowed'\nexit 1\n")
    assert not differs(server, "shop", *lines), "it could not be written either"


def test_a_crontab_that_another_command_holds_is_not_waited_for_without_end(server: Server) -> None:
    """It says so before its connection's limit; `expire.sh` tries again later."""
    (server.home / ".ftl").mkdir()
    machine = FakeMachine()
    asyncio.run(crontab.write(machine, "shop", [CronLine("j", "1 2 * * *", "UTC")]))
    shell, option, script, *rest = machine.commands[0]
    assert "flock -w 20 9" in script
    with (server.home / ".ftl" / "crontab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = server.run((shell, option, script.replace("-w 20", "-w 0"), *rest), machine.inputs[0] or b"")
    assert done.returncode == 3
    assert b"another command has" in done.stdout


def test_a_job_on_an_engine_that_hangs_ends(server: Server) -> None:
    """Cron would start one script after the other, each of which waits."""
    server.job("* * * * * either UTC 60")
    hanging = server.home / "bin" / "docker"
    hanging.write_text("#!/bin/sh\nexec sleep 100\n")
    script = crontab.job_script().replace("docker_within 60 ", "docker_within 0.2 ")
    began = time.monotonic()
    server.run(("sh", "-c", script, *JOB[3:]))
    assert time.monotonic() - began < 30
    assert server.starts == []
