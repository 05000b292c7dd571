"""The script that makes a scheduled backup, on fake programs of a database's image."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.errors import FtlError
from ftl.host.backup_folders import StoredBackup, compare_sizes
from ftl.operations.databases.dumps import KINDS, StreamEnds, check_whole
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from collections.abc import Callable

DUMP_SCRIPT = program("ftl.host", "scripts/database_tools.sh", "scripts/dump.sh")

DUMP = """#!/bin/sh
echo "$@" >>"$HOME/log"
[ -z "${FAILS-}" ] || { echo 'no route to host' >&2; exit 2; }
echo PGDMP
"""
RESTORE = """#!/bin/sh
[ "$1 $#" = '--file=/dev/null 2' ] || exit 9
[ -z "${CUT-}" ] || { echo 'unexpected end of file' >&2; exit 1; }
"""
PSQL = """#!/bin/sh
case $(cat) in
*pg_database*) cat "$HOME/databases" 2>/dev/null || [ -z "${UNLISTED-}" ] ;;
*) case "$*" in *=empty) ;; *) echo 1 ;; esac ;;
esac
"""


class Server:
    """A folder that stands for a container; /backups is in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.backups = home / "backups"
        self.backups.mkdir()
        put_programs(home / "bin", {"pg_dump": DUMP, "pg_restore": RESTORE, "psql": PSQL})

    def add(self, name: str, text: str) -> None:
        """Add a program."""
        put_programs(self.home / "bin", {name: text})

    def run(
        self, fault: str = "", dump: str = DUMP_SCRIPT, without: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Make a backup of `db`."""
        with self.start(fault, dump, without) as process:
            stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(
        self, fault: str = "", dump: str = DUMP_SCRIPT, without: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Begin one."""
        script = program("ftl.host", "scripts/backup.sh").replace("cd /backups", 'cd "$HOME/backups"')
        argv = ["sh", "-c", script, "ftl-backup", "db", "2", dump, *without]
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


SIZES = [
    ([100, 100, 10], [2], ["smaller"]),  # tables are gone by mistake
    ([100, 100, 10, 10, 10, 10], [2], ["smaller"] * 4),  # and nobody looks for days
    ([100, 51, 26], [], []),
    ([100, 10, 60, 60], [], ["smaller"]),  # they came back
    ([10, 100, 100], [], []),
]
"""Bytes of backups one after the other; which of them stays beside the newest two; what those say that are smaller."""


@pytest.mark.parametrize(("sizes", "stays", "said"), SIZES)
def test_the_last_good_backup_stays_when_backups_become_much_smaller(
    server: Server, sizes: list[int], stays: list[int], said: list[str]
) -> None:
    """However often they are made; the job ends with a status of its own, and names both."""
    server.add("date", '#!/bin/sh\ncat "$HOME/now"\n')
    told = []
    for number, size in enumerate(sizes, 1):
        (server.home / "now").write_text(f"20260101-0000{number:02}\n")
        server.add("pg_dump", f"#!/bin/sh\necho PGDMP\nhead -c {size - 6} /dev/zero\n")
        done = server.run()
        assert done.returncode in (0, 4), done
        if done.returncode == 4:
            assert f"db-20260101-0000{number:02}.dump has less than half of the bytes of db-" in done.stderr
            told.append("smaller")
    newest = range(len(sizes) - 1, len(sizes) + 1)
    assert server.files == [f"db-20260101-0000{number:02}.dump" for number in sorted({*stays, *newest})]
    assert told == said
    listed = [
        StoredBackup("db", name, name[3:18], (server.backups / name).stat().st_size) for name in server.files
    ]
    last = compare_sizes(listed)[0]
    assert (last.smaller_than is not None) == (done.returncode == 4)
    assert last.smaller_than is None or f"of {last.smaller_than} (" in done.stderr


def test_a_dump_of_another_kind_is_no_smaller_one(server: Server) -> None:
    """The dependency is another database now."""
    (server.backups / "db-20250101-031500.sql").write_text("x" * 1000)
    assert server.run().returncode == 0


WHOLE = {
    "mariadb-dump": b"-- MariaDB dump 10.19\n" + b"x" * 600 + b"\n-- Dump completed on 2026-01-31\n",
    "mongodump": b"\x6d\xe2\x99\x81" + b"x" * 600 + b"\xff\xff\xff\xff",
    "redis-cli": b"REDIS0010" + b"x" * 600 + b"\xff" + b"checksum",
}
SUFFIXES = {"mariadb-dump": "sql", "mongodump": "archive", "redis-cli": "rdb"}


@pytest.fixture
def image(server: Server) -> Server:
    """An image without the tools of PostgreSQL; `copy` is what a tool dumps."""
    for tool in ("pg_dump", "pg_restore"):
        (server.home / "bin" / tool).unlink()
    return server


def made(image: Server, tool: str, data: bytes) -> subprocess.CompletedProcess[str]:
    """Make a backup of a database whose tool dumps this, in an image that has no other."""
    (image.home / "copy").write_bytes(data)
    to_file = 'while [ "$1" != --rdb ]; do shift; done\nexec cat "$HOME/copy" >"$2"\n'
    image.add(tool, "#!/bin/sh\n" + (to_file if tool == "redis-cli" else 'exec cat "$HOME/copy"\n'))
    tools = "pg_dump mariadb-dump mysqldump mongodump redis-cli"
    return image.run(dump=DUMP_SCRIPT.replace(tools, tool))


@pytest.mark.parametrize("tool", WHOLE)
def test_a_whole_dump_of_each_database_gets_its_name(image: Server, tool: str) -> None:
    """Checked as one that comes to the laptop is."""
    done = made(image, tool, WHOLE[tool])
    assert done.returncode == 0, done
    (name,) = image.files
    assert name.endswith(f".{SUFFIXES[tool]}")
    assert (image.backups / name).read_bytes() == WHOLE[tool]


@pytest.mark.parametrize("mark", [b"/*M!999999", b"/*!999999"])
def test_a_dump_of_mariadb_may_begin_with_its_sandbox_mode(image: Server, mark: bytes) -> None:
    """With an M or, in 10.6.18, 10.11.8 and 11.4.2, without one."""
    data = mark + b"\\- enable the sandbox mode */ \n" + WHOLE["mariadb-dump"]
    assert made(image, "mariadb-dump", data).returncode == 0


NOT_WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda whole: whole[:-40],
    "cut a little": lambda whole: whole[:-1],
    "something else": lambda whole: b"<html>" + whole[6:],
}


@pytest.mark.parametrize("fault", NOT_WHOLE)
@pytest.mark.parametrize("tool", WHOLE)
def test_what_is_no_whole_dump_is_refused_on_both_ways(image: Server, tool: str, fault: str) -> None:
    """On a schedule by the server, and by FTL where it comes here; it leaves no file."""
    data = NOT_WHOLE[fault](WHOLE[tool])
    done = made(image, tool, data)
    assert (done.returncode, image.files) == (1, []), done
    ends = StreamEnds()
    ends.feed(data)
    with pytest.raises(FtlError):
        check_whole(KINDS[tool], ends, "the dump")


def test_a_dump_that_redis_check_rdb_refuses_is_no_backup(image: Server) -> None:
    """Its ends are right, and something between them is not."""
    image.add("redis-check-rdb", "#!/bin/sh\necho 'Checksum mismatch at 17'; exit 1\n")
    done = made(image, "redis-cli", WHOLE["redis-cli"])
    assert (done.returncode, image.files) == (1, [])
    assert "redis-check-rdb finds the dump damaged: Checksum mismatch at 17" in done.stderr


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
%s 1.5
echo more
"""


@pytest.fixture
def hours(server: Server) -> Server:
    """A server where ten seconds take a few milliseconds, and a tool that is slow."""
    sleep = shutil.which("sleep")
    server.add("sleep", f"#!/bin/sh\nexec {sleep} 0.01\n")
    server.add("pg_dump", SLOW % (sleep, sleep))
    return server


def progress(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines of the log, without the whole file "so far": a busy machine may see it before it sees its end."""
    *lines, last = done.stdout.splitlines()
    return [*(line for line in lines if line != f"{last} so far"), last]


def test_a_backup_says_how_far_it_is(hours: Server) -> None:
    """Its log has a line whenever it grew."""
    done = hours.run()
    (name,) = hours.files
    assert done.returncode == 0, done
    assert progress(done) == [f"{name}: 6 bytes so far", f"{name}: 11 bytes"]


def test_a_backup_that_stands_still_ends(hours: Server) -> None:
    """After an hour, and nothing of it stays."""
    done = hours.run("STILL")
    assert (done.returncode, hours.files) == (1, [])
    assert "pg_dump has written nothing for an hour\n" in done.stderr


REDIS = """#!/bin/sh
while [ "$1" != --rdb ]; do shift; done
echo REDIS >"$2"
%s 1.5
printf '\\377checksum' >>"$2"
echo 'Transfer finished with success.'
"""


def test_a_tool_that_writes_to_no_stream_is_watched_too(hours: Server) -> None:
    """redis-cli writes to a file: one that took long stood still for the watch, and was ended after an hour."""
    for tool in ("pg_dump", "pg_restore"):
        (hours.home / "bin" / tool).unlink()
    hours.add("redis-cli", REDIS % shutil.which("sleep"))
    hours.add("redis-check-rdb", "#!/bin/sh\n")
    done = hours.run(dump=DUMP_SCRIPT.replace("pg_dump mariadb-dump mysqldump mongodump", ""))
    (name,) = hours.files
    assert done.returncode == 0, done
    assert progress(done) == [f"{name}: 6 bytes so far", f"{name}: 15 bytes"]
    assert (hours.backups / name).read_bytes() == b"REDIS\n\xffchecksum"


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


CHECKS = """#!/bin/sh
exec >/dev/null 2>&1
echo $$ >"$HOME/checking.new"
mv "$HOME/checking.new" "$HOME/checking"
exec sleep 60
"""


def test_a_backup_that_is_stopped_while_it_is_checked_leaves_no_file(server: Server) -> None:
    """At once: the container is killed after ten seconds."""
    server.add("pg_restore", CHECKS)
    checking = server.home / "checking"
    with server.start() as backup:
        while not checking.exists():
            time.sleep(0.02)
        backup.terminate()
        try:
            assert backup.wait(5) == 1
        finally:
            os.kill(int(checking.read_text()), signal.SIGKILL)
    assert server.files == []
