"""The script that makes a scheduled backup: of several databases in one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.host.scripts.test_backup_script import Server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A database `db` that is dumped over the network."""
    return Server(tmp_path)


def test_each_database_with_tables_has_a_backup(server: Server) -> None:
    """A file each, of which as many stay as of the dependency's own; one that has no table has none."""
    (server.home / "databases").write_text("shop_queue\nempty\nshop.cable\n")
    for day in (1, 2, 3):
        (server.backups / f"db.shop_queue-2025010{day}-031500.dump").write_text("x")
    done = server.run()
    assert done.returncode == 0, done
    times = {name[-21:] for name in server.files if "-2025" not in name}
    assert len(times) == 1
    (time_,) = times
    assert server.files == sorted(
        [
            "db.shop_queue-20250103-031500.dump",
            *(f"db{of}{time_}" for of in ("", ".shop_queue", ".shop.cable")),
        ]
    )
    databases = [line.rpartition("--dbname=")[2] for line in (server.home / "log").read_text().splitlines()]
    assert databases == ["postgres", "shop_queue", "shop.cable"]


def test_databases_are_left_out(server: Server) -> None:
    """One that could not be backed up fails no job then, and the files of one that had backups stay."""
    (server.home / "databases").write_text("shop_queue\nshop_cache\nthe shop\n")
    (server.backups / "db.shop_cache-20250101-031500.dump").write_text("x")
    done = server.run(without=("shop_cache", "the shop"))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert [name[:-21] for name in server.files] == ["db", "db.shop_cache", "db.shop_queue"]
    assert "shop_cache" not in (server.home / "log").read_text()


def test_the_database_that_the_env_names_is_never_left_out(server: Server) -> None:
    """The job fails, so that somebody sees that it is."""
    done = server.run(without=("postgres",))
    assert (done.returncode, [name[:-21] for name in server.files]) == (1, ["db"])
    assert "postgres is backed up, although without has it" in done.stderr


ONE_FAILS = """#!/bin/sh
case "$*" in *=shop_queue) echo 'permission denied' >&2; exit 1 ;; esac
echo PGDMP
"""


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("shop_queue\nshop_cable\n", "permission denied"),
        ("the shop\nshop_cable\n", "the shop is not backed up"),
    ],
)
def test_a_database_that_is_not_backed_up_fails_the_job_and_no_other_backup(
    server: Server, listed: str, said: str
) -> None:
    """The log names it."""
    server.add("pg_dump", ONE_FAILS)
    (server.home / "databases").write_text(listed)
    done = server.run()
    assert (done.returncode, said in done.stderr) == (1, True), done
    assert [name[:-21] for name in server.files] == ["db", "db.shop_cable"]


def test_databases_that_cannot_be_listed_fail_the_job(server: Server) -> None:
    """Some may be missing; the dependency's own is backed up."""
    done = server.run("UNLISTED")
    assert (done.returncode, len(server.files)) == (1, 1), done
    assert "the other databases of db cannot be listed" in done.stderr


def test_only_a_smaller_backup_of_the_dependencys_own_database_is_told(server: Server) -> None:
    """A queue is empty by night; its larger backup stays all the same."""
    (server.home / "databases").write_text("shop_queue\n")
    for name in ("db.shop_queue-20250101-031500.dump", "db.shop_queue-20250102-031500.dump"):
        (server.backups / name).write_text("x" * (1000 if "0101" in name else 1))
    assert server.run().returncode == 0
    assert "db.shop_queue-20250101-031500.dump" in server.files
    (server.backups / "db-20250101-031500.dump").write_text("x" * 1000)
    for name in server.files:
        if "-2025" not in name:
            (server.backups / name).unlink()
    assert server.run().returncode == 4
