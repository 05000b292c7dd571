"""The script that makes a scheduled backup, on fake programs of a database's image."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ftl.common.programs import program
from tests.unit.host.scripts.programs import put_programs

DUMP = """#!/bin/sh
echo "$@" >>"$HOME/log"
[ -z "${FAILS-}" ] || { echo 'no route to host' >&2; exit 2; }
echo PGDMP
"""
LIST = '#!/bin/sh\n[ -z "${CUT-}" ] || { echo "unexpected end of file" >&2; exit 1; }\n'


class Server:
    """A folder that stands for a container; /backups is in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.backups = home / "backups"
        self.backups.mkdir()
        put_programs(home / "bin", {"pg_dump": DUMP, "pg_restore": LIST})

    def add(self, name: str, text: str) -> None:
        """Add a program."""
        put_programs(self.home / "bin", {name: text})

    def run(
        self, fault: str = "", dump: str = program("ftl.host", "scripts/dump.sh")
    ) -> subprocess.CompletedProcess[str]:
        """Make a backup of `db`."""
        with self.start(fault, dump) as process:
            stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(
        self, fault: str = "", dump: str = program("ftl.host", "scripts/dump.sh")
    ) -> subprocess.Popen[str]:
        """Begin one."""
        script = program("ftl.host", "scripts/backup.sh").replace("cd /backups", 'cd "$HOME/backups"')
        argv = ["sh", "-c", script, "ftl-backup", "db", "2", dump]
        path = f"{self.home}/bin:{os.environ['PATH']}"
        return subprocess.Popen(
            argv,
            env={"HOME": str(self.home), "PATH": path, **({fault: "yes"} if fault else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def files(self) -> list[str]:
        """Names in the folder."""
        return sorted(path.name for path in self.backups.iterdir())


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A database `db` that is dumped over the network."""
    return Server(tmp_path)


def test_a_backup_is_dumped_from_the_database_s_host_and_readable_by_root_alone(server: Server) -> None:
    """Its log has its name and size."""
    done = server.run()
    (name,) = server.files
    assert (done.returncode, done.stdout) == (0, f"{name}: 6 bytes\n")
    assert "--host=db" in (server.home / "log").read_text()
    assert (name.startswith("db-2"), name.endswith(".dump")) == (True, True)
    assert (server.backups / name).stat().st_mode & 0o777 == 0o600
    assert server.backups.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("fault", ["FAILS", "CUT"])
def test_a_failed_backup_leaves_the_earlier_ones(server: Server, fault: str) -> None:
    """It has an exit status and a reason, and removes what a stopped run has left."""
    old = ["db-20250101-031500.dump", "db-20250102-031500.dump", "db-20250103-031500.dump"]
    for name in (*old, "db-20250104-031500.dump.partial"):
        (server.backups / name).write_text("x")
    done = server.run(fault)
    assert (done.returncode, server.files) == (1, old)
    assert "no route to host" in done.stderr or "pg_restore cannot read the dump" in done.stderr


@pytest.mark.parametrize("fault", ["", "FAILS"])
def test_the_dump_of_another_dependency_that_is_under_way_stays(server: Server, fault: str) -> None:
    """`db` and `db-2` share a folder, and often a schedule; what a stopped run of `db` left goes."""
    (server.backups / "db-2-20250101-031500.dump.partial").touch()
    (server.backups / "db-20250101-031500.dump.partial").touch()
    server.run(fault)
    assert [name for name in server.files if name.endswith(".partial")] == [
        "db-2-20250101-031500.dump.partial"
    ]


def test_only_the_newest_backups_of_the_dependency_stay(server: Server) -> None:
    """Files of others are left alone, also those of a dependency whose name begins alike."""
    others = ["db-20250101-031500.txt", "db-old-20250101-031500.dump", "notes"]
    for name in (*others, "db-20250101-031500.dump", "db-20250102-031500.dump", "db-20250103-031500.dump"):
        (server.backups / name).write_text("x")
    assert server.run().returncode == 0
    (new,) = (name for name in server.files if name.startswith("db-2") and not name.startswith("db-2025"))
    assert server.files == sorted([*others, "db-20250103-031500.dump", new])


SLOW = """#!/bin/sh
[ -z "${STILL-}" ] || exec %s 600
echo PGDMP
%s 0.4
echo more
"""


@pytest.fixture
def hours(server: Server) -> Server:
    """A server where ten seconds take a few milliseconds, and a tool that is slow."""
    sleep = shutil.which("sleep")
    server.add("sleep", f"#!/bin/sh\nexec {sleep} 0.01\n")
    server.add("pg_dump", SLOW % (sleep, sleep))
    return server


def test_a_backup_says_how_far_it_is(hours: Server) -> None:
    """Its log has a line whenever it grew."""
    done = hours.run()
    (name,) = hours.files
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [f"{name}: 6 bytes so far", f"{name}: 11 bytes"]


def test_a_backup_that_stands_still_ends(hours: Server) -> None:
    """After an hour, and nothing of it stays."""
    done = hours.run("STILL")
    assert (done.returncode, hours.files) == (1, [])
    assert "pg_dump has written nothing for an hour\n" in done.stderr


REDIS = """#!/bin/sh
while [ "$1" != --rdb ]; do shift; done
echo REDIS >"$2"
%s 0.4
echo more >>"$2"
echo 'Transfer finished with success.'
"""


def test_a_tool_that_writes_to_no_stream_is_watched_too(hours: Server) -> None:
    """redis-cli writes to a file: one that took long stood still for the watch, and was ended after an hour."""
    for tool in ("pg_dump", "pg_restore"):
        (hours.home / "bin" / tool).unlink()
    hours.add("redis-cli", REDIS % shutil.which("sleep"))
    hours.add("redis-check-rdb", "#!/bin/sh\n")
    done = hours.run(
        dump=program("ftl.host", "scripts/dump.sh").replace("pg_dump mariadb-dump mysqldump mongodump", "")
    )
    (name,) = hours.files
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [f"{name}: 6 bytes so far", f"{name}: 11 bytes"]
    assert (hours.backups / name).read_text() == "REDIS\nmore\n"


WAITS = """#!/bin/sh
trap 'echo cancelled >>"$HOME/log"; exit 1' TERM
sleep 60 >/dev/null 2>&1 &
echo waiting >>"$HOME/log"
wait
"""


def handles_term(process: int) -> bool:
    """Whether a process has a handler of SIGTERM by now."""
    (caught,) = re.findall(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{process}/status").read_text())
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_a_backup_that_is_stopped_ends_its_dump(server: Server) -> None:
    """The tool has time to cancel in the database what it waits for: killed with the container it would not."""
    server.add("pg_dump", WAITS)
    log = server.home / "log"
    with server.start() as backup:
        while not (log.exists() and handles_term(backup.pid)):
            time.sleep(0.02)
        backup.terminate()
        assert backup.wait(60) == 1
        assert backup.stderr is not None
        assert "it was stopped" in backup.stderr.read()
    assert log.read_text() == "waiting\ncancelled\n"
    assert server.files == []
