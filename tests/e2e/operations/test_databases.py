"""Backup and restore of real databases, in images of the lab."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from lab import images
from tests.e2e.support.project import LabProject, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.nightly, pytest.mark.usefixtures("busybox", "proxy_image")]

EVERY_MINUTE = "* * * * *"
NEVER = "0 0 1 1 *"

POSTGRES = {
    "name": "db",
    "image": "postgres:16",
    "env": {"POSTGRES_PASSWORD": "a-secret", "POSTGRES_DB": "shop"},
    "volumes": ["db:/var/lib/postgresql/data"],
    "ports": [5432],
}
REDIS = {"name": "cache", "image": "ftl-lab-redis:latest", "volumes": ["cache:/data"], "ports": [6379]}
MARIADB = {
    "name": "db",
    "image": "ftl-lab-mariadb:latest",
    "env": {"MARIADB_ROOT_PASSWORD": "a-secret", "MARIADB_DATABASE": "shop"},
    "volumes": ["db:/var/lib/mysql"],
    "ports": [3306],
}


def databases(
    ftl: Callable[..., Project], server: Server, dependencies: Sequence[dict[str, Any]], schedule: str = NEVER
) -> LabProject:
    """A deployed project with these databases, each with a scheduled backup."""
    app = lab_project(ftl, server, command=["sleep", "100000"])
    app.config["services"] = [
        {"name": "web", "build": "app", "command": ["sleep", "100000"], "stop_timeout": 0}
    ]
    app.config["dependencies"] = list(dependencies)
    app.config["volumes"] = [one["name"] for one in dependencies]
    app.config["backups"] = [
        {"dependency": one["name"], "schedule": schedule, "keep": 2} for one in dependencies
    ]
    app.deploy().ok()
    return app


def psql(app: LabProject, statement: str) -> str:
    """What a statement prints in PostgreSQL's database."""
    return (
        app.run("exec", "db", "--", "psql", "-U", "postgres", "-d", "shop", "-qtAc", statement)
        .ok()
        .stdout.strip()
    )


def redis(app: LabProject, *argv: str) -> str:
    """What a command of Redis prints."""
    return app.run("exec", "cache", "--", "redis-cli", *argv).ok().stdout.strip()


def mariadb(app: LabProject, statement: str) -> str:
    """What a statement prints in MariaDB's database."""
    argv = (
        "sh",
        "-c",
        'MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb -u root -N -B shop -e "$1"',
        "sh",
        statement,
    )
    return app.run("exec", "db", "--", *argv).ok().stdout.strip()


def test_postgresql_and_redis(ftl: Callable[..., Project], server: Server) -> None:
    """A backup brings the data back, also under clients; a wrong, a cut and a killed one change nothing."""
    images.ensure("postgres", "redis")
    app = databases(ftl, server, (POSTGRES, REDIS))
    folder = app.project.folder
    psql(app, "CREATE TABLE orders AS SELECT n, md5(n::text) AS text FROM generate_series(1, 50000) n")
    redis(app, "SET", "colour", "blue")

    made = app.run("backup", "db", "db.dump", "--json").ok().result
    assert (made["verified"], made["bytes"]) == (True, (folder / "db.dump").stat().st_size)
    app.run("backup", "cache", "cache.rdb").ok()

    # Wrong and cut ones.
    (folder / "cut.dump").write_bytes((folder / "db.dump").read_bytes()[: made["bytes"] // 2])
    (folder / "cut.rdb").write_bytes((folder / "cache.rdb").read_bytes()[:-12])
    for name, file, words in (
        ("db", "cache.rdb", "is not a dump of PostgreSQL"),
        ("cache", "db.dump", "is not a dump of Redis"),
        ("cache", "cut.rdb", "is truncated"),
        ("db", "cut.dump", "the restore of db failed"),
    ):
        refused = app.run("restore", name, file, "--yes")
        assert (refused.exit_code, words in refused.stderr) == (1, True), refused
    assert psql(app, "SELECT count(*) FROM orders") == "50000"
    assert psql(app, "SELECT datname FROM pg_database WHERE datname ~ 'ftl'") == ""
    assert redis(app, "GET", "colour") == "blue"

    # Under a client in a transaction, and with a second restore at the same time.
    psql(app, "DELETE FROM orders")
    hold = "BEGIN; SELECT 1 FROM orders; SELECT pg_sleep(300)"
    with app.project.start("exec", "db", "--", "psql", "-U", "postgres", "-d", "shop", "-c", hold):
        while psql(app, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^BEGIN'") == "0":
            time.sleep(0.2)
        with app.project.start("restore", "db", "db.dump", "--yes", "--wait-lock", "60") as first:
            second = app.run("restore", "db", "db.dump", "--yes", "--wait-lock", "60")
            assert first.wait(60) == 0
        assert second.exit_code == 0, second
    assert (
        psql(app, "SELECT count(*), min(text) FROM orders WHERE n <= 2")
        == "2|c4ca4238a0b923820dcc509a6f75849b"
    )
    assert psql(app, "SELECT count(*) FROM pg_database WHERE datname ~ 'before'") == "2"
    redis(app, "SET", "colour", "red")
    kept = app.run("restore", "cache", "cache.rdb", "--yes", "--json").ok().result["kept"]
    assert redis(app, "GET", "colour") == "blue"
    assert (folder / kept).read_bytes()[:5] == b"REDIS"

    # Killed while the database makes it wait.
    lock = "BEGIN; LOCK TABLE orders; SELECT pg_sleep(300)"
    with app.project.start("exec", "db", "--", "psql", "-U", "postgres", "-d", "shop", "-c", lock) as locking:
        while (
            psql(app, "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted") == "0"
        ):
            time.sleep(0.2)
        with app.project.start("backup", "db", "killed.dump") as killed:
            while (
                psql(app, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump'") == "0"
            ):
                time.sleep(0.2)
            killed.kill()
        locking.kill()
    assert not (folder / "killed.dump").exists()
    # The server process of a client that is gone sleeps on, and has its lock.
    psql(app, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^BEGIN'")
    app.run("remove", "--volumes", "--yes").ok()


def test_a_backup_and_a_restore_that_are_ended_leave_nothing_in_the_database(
    ftl: Callable[..., Project], server: Server
) -> None:
    """By Ctrl-C or SIGKILL, while a table's lock makes the dump wait; and half of a restored database goes."""
    images.ensure("postgres")
    app = databases(ftl, server, (POSTGRES,))
    psql(app, "CREATE TABLE orders AS SELECT 1 AS n")
    lock = "BEGIN; LOCK TABLE orders; SELECT pg_sleep(300)"
    with app.project.start("exec", "db", "--", "psql", "-U", "postgres", "-d", "shop", "-c", lock) as locking:
        until(app, "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")
        for number in (signal.SIGINT, signal.SIGKILL):
            with app.project.start("backup", "db", "ended.dump") as ended:
                until(app, f"SELECT count(*) > 0 FROM {DUMPS}")
                ended.send_signal(number)
                ended.wait(60)
            until(app, f"SELECT count(*) = 0 FROM {DUMPS}")
        locking.kill()
    psql(app, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^BEGIN'")

    psql(
        app,
        "CREATE FUNCTION late() RETURNS bool LANGUAGE sql AS $$ SELECT pg_sleep(CASE current_database() "
        "WHEN 'shop' THEN 0 ELSE 300 END) IS NOT NULL $$; CREATE TABLE late AS SELECT 1 AS n; "
        "ALTER TABLE late ADD CHECK (public.late())",
    )
    app.run("backup", "db", "db.dump").ok()
    for number in (signal.SIGINT, signal.SIGKILL):
        with app.project.start("restore", "db", "db.dump", "--yes") as ended:
            until(app, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query ~ '^COPY public.late'")
            ended.send_signal(number)
            ended.wait(60)
        until(app, "SELECT count(*) = 0 FROM pg_database WHERE datname ~ '^ftl_restore'")
    app.run("remove", "--volumes", "--yes").ok()


DUMPS = "pg_stat_activity WHERE application_name = 'pg_dump'"


def until(app: LabProject, condition: str) -> None:
    """Wait until a condition holds in PostgreSQL."""
    for _ in range(60):
        if psql(app, f"{condition}") == "t":
            return
        time.sleep(0.5)
    pytest.fail(f"it does not come to: {condition}")


def test_backups_on_the_server(ftl: Callable[..., Project], server: Server) -> None:
    """Made as cron does it, they are tried and restored where they are."""
    images.ensure("postgres", "redis")
    app = databases(ftl, server, (POSTGRES, REDIS))
    psql(app, "CREATE TABLE orders AS SELECT generate_series(1, 5000) n")
    redis(app, "SET", "colour", "blue")
    for name in ("db", "cache"):
        app.run("jobs", "run", f"backup.{name}").ok()
    stored = app.run("backup", "--list", "--json").ok().result["backups"]
    assert sorted(one["dependency"] for one in stored) == ["cache", "db"]
    app.run("restore", "db", "--from-server", "latest", "--drill").ok()
    psql(app, "DELETE FROM orders")
    app.run("restore", "db", "--from-server", "latest", "--yes").ok()
    assert psql(app, "SELECT count(*) FROM orders") == "5000"
    redis(app, "SET", "colour", "red")
    app.run("restore", "cache", "--from-server", "latest", "--drill").ok()

    # The table is gone by mistake, and two more backups than are kept come after it.
    whole = stored_files(app, "db")
    psql(app, "DROP TABLE orders")
    for _ in range(3):
        assert app.run("jobs", "run", "backup.db").exit_code == 4
    assert (len(stored_files(app, "db")), stored_files(app, "db")[-1]) == (3, whole[0])
    problem = next(
        job["problem"] for job in app.run("status", "--json").ok().result["jobs"] if "db" in job["name"]
    )
    assert "less than half of the bytes of the previous one" in problem
    app.run("restore", "db", "--from-server", whole[0], "--yes").ok()
    assert psql(app, "SELECT count(*) FROM orders") == "5000"

    before = server.docker("volume", "ls", "--quiet")
    app.run("restore", "cache", "--from-server", "latest", "--yes").ok()
    assert server.docker("volume", "ls", "--quiet") == before
    assert redis(app, "GET", "colour") == "blue"
    app.run("remove", "--volumes", "--yes").ok()


def stored_files(app: LabProject, name: str) -> list[str]:
    """The scheduled backups of a database, newest first."""
    return [one["file"] for one in app.run("backup", name, "--list", "--json").ok().result["backups"]]


def test_backups_outlive_their_job_and_the_project(ftl: Callable[..., Project], server: Server) -> None:
    """They are listed and restored without either, until `remove --backups`."""
    images.ensure("redis")
    app = databases(ftl, server, (REDIS,))
    redis(app, "SET", "colour", "blue")
    app.run("jobs", "run", "backup.cache").ok()
    stored = app.run("backup", "--list", "--json").ok().result["backups"]
    # As on a disk that is not mounted.
    server.run("mv", f"/var/backups/ftl/{app.name}", "/var/backups/away")
    failed = app.run("jobs", "run", "backup.cache", "--json")
    assert "does not start" in failed.result["error"]["message"]
    assert app.name not in server.run("ls", "/var/backups/ftl").stdout.decode().split()
    server.run("mv", "/var/backups/away", f"/var/backups/ftl/{app.name}")
    kept = app.run("remove", "--volumes", "--yes", "--json").ok().result["kept"]
    folder = f"/var/backups/ftl/{app.name}"
    assert kept["backups"] == [{"path": folder, "files": 1, "bytes": stored[0]["bytes"]}]
    assert app.run("backup", "--list", "--json").ok().result["backups"] == stored
    del app.config["backups"]
    app.deploy().ok()
    assert app.run("jobs", "--json").ok().result["jobs"] == []
    assert redis(app, "GET", "colour") == ""
    app.run("restore", "cache", "--from-server", "latest", "--yes").ok()
    assert redis(app, "GET", "colour") == "blue"
    foreign = f"ftl-backups-{app.name}"
    redis_image = server.docker("inspect", "-f", "{{.Image}}", f"{app.name}-cache")
    server.docker("run", "-d", "--name", foreign, redis_image, "sleep", "600")
    gone = app.run("remove", "--volumes", "--backups", "--yes", "--json").ok().result
    assert server.docker("ps", "--filter", f"name={foreign}", "--format", "{{.Names}}") == foreign
    server.docker("rm", "-f", foreign)
    assert (gone["removed"]["backups"], gone["kept"]) == (kept["backups"], {"volumes": [], "backups": []})
    assert app.name not in server.run("ls", "/var/backups/ftl").stdout.decode().split()
    nothing = app.run("remove", "--backups", "--yes")
    assert (nothing.exit_code, " has nothing of " in nothing.stderr) == (2, True), nothing


def test_mariadb(ftl: Callable[..., Project], server: Server) -> None:
    """A backup brings the data back; a cut one is refused, and a lock of a client is named."""
    images.ensure("mariadb")
    app = databases(ftl, server, (MARIADB,))
    folder = app.project.folder
    mariadb(
        app, "CREATE TABLE orders (n INT, text BLOB) ENGINE=InnoDB; INSERT INTO orders VALUES (1, 0x00ff0a27)"
    )
    app.run("backup", "db", "db.sql").ok()
    whole = (folder / "db.sql").read_bytes()
    (folder / "cut.sql").write_bytes(whole[:-40])
    refused = app.run("restore", "db", "cut.sql", "--yes")
    assert (refused.exit_code, "is truncated" in refused.stderr) == (1, True), refused
    assert "1 table" in app.run("restore", "db", "db.sql", "--drill").ok().stdout
    mariadb(app, "DELETE FROM orders")
    app.run("restore", "db", "db.sql", "--yes").ok()
    assert mariadb(app, "SELECT n, hex(text) FROM orders") == "1\t00FF0A27"

    # An error in the middle: the table is gone by then, and comes back.
    mariadb(app, "INSERT INTO orders VALUES (2, 'late'); CREATE DATABASE other; CREATE TABLE other.t (n INT)")
    broken = whole.replace(b"INSERT INTO `orders`", b"INSERT INTO nonsense `orders`")
    assert broken != whole
    (folder / "broken.sql").write_bytes(broken)
    failed = app.run("restore", "db", "broken.sql", "--yes")
    assert (failed.exit_code, "ERROR 1064" in failed.stderr) == (1, True), failed
    assert "the data of db has its previous state again" in failed.stderr
    assert mariadb(app, "SELECT n, hex(text) FROM orders ORDER BY n") == "1\t00FF0A27\n2\t6C617465"
    mariadb(app, "DELETE FROM orders WHERE n = 2")

    # As the server makes it, over the network; and the other database.
    app.run("jobs", "run", "backup.db").ok()
    assert [name.partition("-")[0] for name in sorted(stored_files(app, "db"))] == ["db", "db.other"]
    mariadb(app, "DELETE FROM orders")
    app.run("restore", "db", "--from-server", "latest", "--yes").ok()
    assert mariadb(app, "SELECT n, hex(text) FROM orders") == "1\t00FF0A27"

    lock = "START TRANSACTION; SELECT * FROM orders; SELECT sleep(300)"
    argv = ("sh", "-c", 'MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb -u root shop -e "$1"', "sh", lock)
    with app.project.start("exec", "db", "--", *argv):
        while (
            mariadb(
                app, "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT sleep%'"
            )
            == "0"
        ):
            time.sleep(0.2)
        locked = app.run("restore", "db", "db.sql", "--yes")
    assert (locked.exit_code, "may be locked by the client" in locked.stderr) == (1, True), locked
    assert mariadb(app, "SELECT n, hex(text) FROM orders") == "1\t00FF0A27"
    app.run("remove", "--volumes", "--yes").ok()


def test_cron_makes_backups_and_keeps_the_newest(ftl: Callable[..., Project], server: Server) -> None:
    """One each minute, of which two stay; what a run that was killed has left is no backup."""
    images.ensure("redis")
    app = databases(ftl, server, (REDIS,), EVERY_MINUTE)
    redis(app, "SET", "colour", "blue")
    cut = f"/var/backups/ftl/{app.name}/cache-20260101-000000.rdb.partial"
    server.run("sh", "-c", 'mkdir -p "${1%/*}" && touch "$1"', "sh", cut)
    time.sleep(60 - time.time() % 60 + 140)  # after the third, and well before the fourth
    folder = f"/var/backups/ftl/{app.name}"
    while ".partial" in (names := server.run("ls", folder).stdout.decode()):
        time.sleep(1)  # a slow one is under way
    files = names.split()
    stored = app.run("backup", "cache", "--list", "--json").ok().result["backups"]
    assert (len(stored), sorted(one["file"] for one in stored)) == (2, sorted(files))
    (job,) = app.run("jobs", "--json").ok().result["jobs"]
    while job[
        "running"
    ]:  # the next one has begun: its container does not have the last one's exit code any more
        time.sleep(1)
        (job,) = app.run("jobs", "--json").ok().result["jobs"]
    assert (job["last"]["exit_code"], job["problem"]) == (0, None)
    app.run("remove", "--volumes", "--yes").ok()
