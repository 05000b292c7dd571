"""The scripts that dump and restore in the container: locks, names, the end of a dump."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.operations.databases.tools import script_text

if TYPE_CHECKING:
    from pathlib import Path


class Container:
    """A folder that stands for a database's container; its programs are ours."""

    def __init__(self, home: Path, **programs: str) -> None:
        self.home = home
        self.data = home / "data"
        self.data.mkdir()
        (home / "bin").mkdir()
        for name, text in programs.items():
            (home / "bin" / name).write_text(text)
            (home / "bin" / name).chmod(0o755)

    def run(self, *arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        """Run restore.sh."""
        return self.run_script(script_text("restore.sh"), *arguments, stdin=stdin, **env)

    def run_script(
        self, script: str, *arguments: str, stdin: bytes = b"", **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a script with these variables."""
        path = f"{self.home}/bin:{os.environ['PATH']}"
        argv = ["sh", "-c", script, "sh", *arguments]
        return subprocess.run(
            argv,
            input=stdin,
            env={"HOME": str(self.home), "PATH": path, **env},
            capture_output=True,
            check=False,
        )

    def files(self) -> dict[str, bytes]:
        """What its data folder has."""
        return {path.name: path.read_bytes() for path in self.data.iterdir()}


MARIADB = """#!/bin/sh
echo "$@" >>"$HOME/log"
case "$*" in
*PROCESSLIST* | *processlist*) echo 'a table may be locked by the client 5, app@web (Sleep for 900 s)' ;;
*) cat >/dev/null; echo "$ERRORS" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize("locked", [True, False])
def test_a_restore_waits_a_minute_for_a_lock_and_names_who_may_have_it(tmp_path: Path, locked: bool) -> None:
    """MariaDB and MySQL themselves wait for a year."""
    errors = "ERROR 1205 (HY000) at line 2: Lock wait timeout exceeded" if locked else "ERROR 1064: syntax"
    database = Container(tmp_path, mariadb=MARIADB)
    done = database.run("restore", "mariadb-dump", "keep", "", ERRORS=errors)
    assert (done.returncode, errors.encode() in done.stderr) == (1, True)
    assert (b"app@web" in done.stderr) == locked
    assert "SET SESSION lock_wait_timeout=60, innodb_lock_wait_timeout=60" in (tmp_path / "log").read_text()


def test_postgresql_waits_a_minute_for_a_lock(tmp_path: Path) -> None:
    """By the options of each session."""
    psql = '#!/bin/sh\necho "$PGOPTIONS" >>"$HOME/log"\n'
    database = Container(tmp_path, psql=psql, pg_restore=psql)
    database.run("restore", "pg_dump", "keep", "before")
    database.run("replace", "pg_dump", "keep", "before")
    assert set((tmp_path / "log").read_text().splitlines()) == {
        "-c client_min_messages=warning -c lock_timeout=60s"
    }


PSQL = """#!/bin/sh
text=$(cat)
echo "$text" | head -n 1 >>"$HOME/log"
case $text in
*RENAME*) echo 'canceling statement due to lock timeout' >&2; exit 3 ;;
*pg_terminate*) ;;
*pg_stat_activity*) echo 'it may be held up by the client 7, app@10.0.0.2' ;;
esac
"""


def test_a_postgresql_that_cannot_change_the_names_is_as_it_was(tmp_path: Path) -> None:
    """Nothing was changed but names: the restored database is gone, and the error names the client with the lock."""
    database = Container(tmp_path, psql=PSQL, pg_restore="#!/bin/sh\n")
    done = database.run("replace", "pg_dump", "keep", "before")
    assert (done.returncode, b"app@10.0.0.2" in done.stderr, b"lock timeout" in done.stderr) == (
        1,
        True,
        True,
    )
    log = (tmp_path / "log").read_text().splitlines()
    assert log.count("SET lock_timeout = '5s';") == 10
    assert not [line for line in log if line.startswith("ALTER")]
    assert log[-1] == 'DROP DATABASE IF EXISTS :"new"'


# --- the dump ---------------------------------------------------------------------------------------

DUMP = """#!/bin/sh
echo PGDMP
head -c 3000000 /dev/zero
[ -z "${FAILS-}" ] || { echo 'pg_dump: error: no route to host' >&2; exit 2; }
"""
READS = """#!/bin/sh
[ "$*" = --file=/dev/null ] || exit 9
[ "$(wc -c)" = 3000006 ] || { echo 'pg_restore: error: unexpected end of file' >&2; exit 1; }
"""


def dumped(home: Path, restore: str = READS, *, fails: str = "") -> subprocess.CompletedProcess[bytes]:
    """Dump a database to a stream."""
    container = Container(home, pg_dump=DUMP, pg_restore=restore)
    return container.run_script(script_text("dump.sh"), "pg_dump", FAILS=fails)


def test_pg_restore_reads_all_of_a_dump_on_its_way(tmp_path: Path) -> None:
    """Not only its list of contents, which is at its begin; the last line of stderr says so."""
    done = dumped(tmp_path)
    assert (done.returncode, done.stderr) == (0, b"ftl-checked\n")
    assert done.stdout == b"PGDMP\n" + bytes(3_000_000)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\necho 'pg_restore: error: corrupt' >&2; exit 1\n", b"pg_restore: error: corrupt"),
        ("#!/bin/sh\nhead -c 9 >/dev/null; echo bad >&2; exit 1\n", b"bad"),
    ],
)
def test_a_dump_that_pg_restore_cannot_read_fails(tmp_path: Path, script: str, why: bytes) -> None:
    """Also where it ends before it has read all."""
    done = dumped(tmp_path, script)
    assert done.returncode == 1
    assert done.stderr == b"pg_restore cannot read the dump: " + why + b"\n"


def test_a_dump_that_fails_has_its_own_words(tmp_path: Path) -> None:
    """And not those of pg_restore about the half that it got."""
    done = dumped(tmp_path, "#!/bin/sh\ncat >/dev/null; echo 'unexpected end' >&2; exit 1\n", fails="yes")
    assert (done.returncode, done.stderr) == (1, b"pg_dump: error: no route to host\n")


def test_a_program_that_does_not_read_all_loses_nothing(tmp_path: Path) -> None:
    """A dump without data has nothing more to read behind its contents."""
    done = dumped(tmp_path, "#!/bin/sh\n")
    assert (done.returncode, len(done.stdout)) == (0, 3_000_006)
