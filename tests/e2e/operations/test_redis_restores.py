"""Restores of a real Redis: append-only, killed in the middle, and beside a deploy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.operations.test_databases import REDIS, databases, redis
from tests.e2e.operations.test_exec import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.nightly, pytest.mark.usefixtures("busybox", "proxy_image")]

APPENDING = {
    **REDIS,
    "command": "redis-server --protected-mode no --dir /data --appendonly yes",
}


def caches(app: LabProject) -> list[str]:
    """The containers of Redis that run."""
    return [name for name in app.containers(running=True) if "-cache" in name]


def until(app: LabProject, *argv: str, prints: str) -> None:
    """Wait until a command of Redis prints a text."""
    deadline = time.monotonic() + 60
    while prints not in (found := redis(app, *argv)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_redis_with_appendonly(ftl: Callable[..., Project], server: Server) -> None:
    """It ends as it is configured, and what it gets after the restore stays, too."""
    images.ensure("redis")
    app = databases(ftl, server, (APPENDING,))
    folder = app.project.folder
    redis(app, "SET", "colour", "blue")
    app.run("backup", "cache", "cache.rdb").ok()
    app.run("jobs", "run", "backup.cache").ok()
    redis(app, "SET", "colour", "red")
    redis(app, "SET", "more", "1")

    # What is refused, changes nothing; damaged in the middle, its end is whole.
    whole = (folder / "cache.rdb").read_bytes()
    (folder / "damaged.rdb").write_bytes(whole.replace(b"colour", b"\xff\xff\xff\xff\xff\xff", 1))
    refused = app.run("restore", "cache", "damaged.rdb", "--yes")
    assert (refused.exit_code, "redis-check-rdb" in refused.stderr) == (1, True), refused
    assert (
        "the data of cache is unchanged" in refused.stderr,
        "restores the previous" in refused.stderr,
    ) == (
        True,
        False,
    )
    assert (redis(app, "GET", "colour"), redis(app, "CONFIG", "GET", "appendonly")) == (
        "red",
        "appendonly\nyes",
    )

    tried = app.run("restore", "cache", "cache.rdb", "--drill").ok().stdout
    assert "1 key" in tried
    assert redis(app, "GET", "colour") == "red"
    for source in (("cache.rdb",), ("--from-server", "latest")):
        redis(app, "SET", "colour", "red")
        redis(app, "BGREWRITEAOF")
        app.run("restore", "cache", *source, "--yes").ok()
        assert (redis(app, "GET", "colour"), redis(app, "DBSIZE")) == ("blue", "1")
        assert redis(app, "CONFIG", "GET", "appendonly") == "appendonly\nyes"
    redis(app, "SET", "after", "1")
    redis(app, "BGREWRITEAOF")
    until(app, "INFO", "persistence", prints="aof_rewrite_in_progress:0")
    redis(app, "SET", "last", "1")
    (name,) = caches(app)
    server.docker("kill", name)
    server.docker("start", name)
    until(app, "PING", prints="PONG")
    assert redis(app, "MGET", "colour", "after", "last", "more").split() == ["blue", "1", "1"]
    app.run("remove", "--volumes", "--backups", "--yes").ok()


def test_nothing_changes_after_the_kill_of_a_restore_until_redis_runs_again(
    ftl: Callable[..., Project], server: Server
) -> None:
    """A deploy that came in between would replace the container, and the old one would be started beside it."""
    images.ensure("redis")
    serve = f"trap 'sleep 15; redis-cli SHUTDOWN NOSAVE' TERM; {APPENDING['command']} & wait; wait"
    slow = {**APPENDING, "command": ["sh", "-c", serve]}
    app = databases(ftl, server, (slow,))
    redis(app, "SET", "colour", "blue")
    app.run("backup", "cache", "cache.rdb").ok()
    redis(app, "SET", "colour", "red")
    (name,) = caches(app)
    with app.project.start("restore", "cache", "cache.rdb", "--yes") as restore:
        while "yes" in server.docker("exec", name, "redis-cli", "CONFIG", "GET", "appendonly"):
            time.sleep(0.1)
        restore.kill()
    app.config["dependencies"] = [{**slow, "env": {"A": "2"}}]
    refused = app.deploy()
    told = "still being changed by the server (ends the restore of "
    assert (refused.exit_code, told in refused.stdout) == (4, True), refused
    assert told in app.run("status").ok().stdout
    app.deploy("--wait-lock", "60").ok()
    assert len(caches(app)) == 1
    assert redis(app, "GET", "colour") == "blue"
    time.sleep(3)  # nothing comes later
    assert len(caches(app)) == 1
    app.run("remove", "--volumes", "--backups", "--yes").ok()


def test_a_container_that_a_deploy_replaced_is_not_restored_into(
    ftl: Callable[..., Project], server: Server
) -> None:
    """The restore had found the old one before the lock was free, or while it asked."""
    images.ensure("redis")
    app = databases(ftl, server, (APPENDING,))
    redis(app, "SET", "colour", "blue")
    app.run("backup", "cache", "cache.rdb").ok()
    redis(app, "SET", "colour", "red")
    terminal = Terminal(app, "restore", "cache", "cache.rdb")
    terminal.wait_for("cache.rdb")
    app.config["dependencies"] = [{**APPENDING, "env": {"A": "2"}}]
    app.deploy().ok()
    (name,) = caches(app)
    terminal.type("cache\n")
    assert terminal.wait(90) == 0
    assert redis(app, "GET", "colour") == "blue"
    assert caches(app) == [name]
    app.run("remove", "--volumes", "--backups", "--yes").ok()
