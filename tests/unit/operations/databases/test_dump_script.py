"""The script that dumps PostgreSQL to a stream: what is said about it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.operations.databases.tools import script_text
from tests.unit.operations.databases.test_restore_script import Container

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

DUMP = """#!/bin/sh
echo PGDMP
head -c 3000000 /dev/zero
[ -z "${FAILS-}" ] || { echo 'pg_dump: error: no route to host' >&2; exit 2; }
"""
READS = """#!/bin/sh
[ "$*" = --file=/dev/null ] || exit 9
[ "$(wc -c)" = 3000006 ] || { echo 'pg_restore: error: unexpected end of file' >&2; exit 1; }
"""


def dumped(home: Path, restore: str = READS, *, fails: str = "") -> CompletedProcess[bytes]:
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
