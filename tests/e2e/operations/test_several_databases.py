"""Several databases in one real PostgreSQL, and the roles that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.operations.test_databases import POSTGRES, databases, psql

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.nightly, pytest.mark.usefixtures("busybox", "proxy_image")]


def test_each_database_of_a_postgresql_and_the_roles_that_it_needs(
    ftl: Callable[..., Project], server: Server
) -> None:
    """As Rails has them: by hand, before a deploy, on the schedule; and back, also into a server that has neither."""
    images.ensure("postgres")
    app = databases(ftl, server, (POSTGRES,))
    folder = app.project.folder
    psql(app, "CREATE TABLE orders AS SELECT generate_series(1, 5000) n")
    psql(app, "CREATE DATABASE shop_queue")
    psql(app, "CREATE DATABASE empty")
    queue(app, "CREATE TABLE jobs AS SELECT generate_series(1, 70) n")
    queue(app, "CREATE ROLE worker; CREATE ROLE reader; ALTER TABLE jobs OWNER TO worker")
    queue(app, "GRANT SELECT ON jobs TO reader")

    made = app.run("backup", "db", "--json").ok().result
    (other,) = made["others"]
    assert (other["database"], made["left_out"]) == ("shop_queue", [])
    named = app.run("backup", "db", "mine.dump", "--json").ok()
    assert named.result["left_out"] == ["shop_queue"]
    assert "not in this backup: shop_queue" in app.run("backup", "db", "mine.dump").ok().stderr
    app.run("jobs", "run", "backup.db").ok()
    stored = app.run("backup", "--list", "--json").ok().result["backups"]
    assert {(one["dependency"], one["database"]) for one in stored} == {("db", None), ("db", "shop_queue")}

    # One that is left out of the schedule: nothing new of it, and what is there stays.
    app.config["backups"][0]["without"] = ["shop_queue"]
    app.deploy().ok()
    app.run("jobs", "run", "backup.db").ok()
    later = app.run("backup", "--list", "--json").ok().result["backups"]
    assert sorted(one["database"] or "" for one in later) == ["", "", "shop_queue"]

    # Each into its own database, and none into another by mistake.
    (folder / "renamed.dump").write_bytes((folder / other["file"]).read_bytes())
    refused = app.run("restore", "db", "renamed.dump", "--yes")
    assert (refused.exit_code, "a dump of the database shop_queue" in refused.stderr) == (2, True), refused
    queue(app, "DELETE FROM jobs")
    psql(app, "DELETE FROM orders")
    app.run("restore", "db", other["file"], "--yes").ok()
    assert (queue(app, "SELECT count(*) FROM jobs"), psql(app, "SELECT count(*) FROM orders")) == ("70", "0")
    app.run("restore", "db", made["file"], "--yes").ok()
    assert psql(app, "SELECT count(*) FROM orders") == "5000"
    queue(app, "DELETE FROM jobs")
    app.run("restore", "db", "--from-server", "latest", "--database", "shop_queue", "--yes").ok()
    assert queue(app, "SELECT count(*) FROM jobs") == "70"
    app.run("restore", "db", "renamed.dump", "--database", "shop_queue", "--yes").ok()
    again = app.run("backup", "db", "--json").ok().result
    assert [one["database"] for one in again["others"]] == [
        "shop_queue"
    ]  # and none of what the restores left

    # A server that has neither the database nor the roles.
    app.run("remove", "--volumes", "--yes").ok()
    app.deploy().ok()
    drill = app.run("restore", "db", other["file"], "--drill").ok()
    assert "roles that a new server has to get before a restore: reader, worker" in drill.stderr, drill
    refused = app.run("restore", "db", other["file"], "--yes")
    assert (refused.exit_code, "roles that the dump names: reader, worker" in refused.stderr) == (1, True), (
        refused
    )
    assert psql(app, "SELECT count(*) FROM pg_database WHERE datname ~ 'ftl|queue'") == "0"
    for role in ("reader", "worker"):
        app.run("exec", "db", "--", "createuser", "--username=postgres", role).ok()
    assert app.run("restore", "db", other["file"], "--yes", "--json").ok().result["kept"] is None
    assert queue(app, "SELECT count(*) FROM jobs") == "70"
    app.run("remove", "--volumes", "--backups", "--yes").ok()


def queue(app: LabProject, statement: str) -> str:
    """What a statement prints in the other database of PostgreSQL."""
    argv = ("psql", "-U", "postgres", "-d", "shop_queue", "-qtAc", statement)
    return app.run("exec", "db", "--", *argv).ok().stdout.strip()
