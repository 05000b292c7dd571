"""Commands about what runs, where variables of ftl.yaml have no value, or without the file."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.operations.test_databases import REDIS, redis
from tests.e2e.operations.test_tunnels import opened
from tests.e2e.support.echo import PORT, add_echo, ask, free_port
from tests.e2e.support.project import LabProject, elsewhere, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.servers import Server
    from tests.harness import Outcome, Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

VALUES = {"APP_KEY": "a-value-of-the-app", "APP_PATH": "/index.html"}
"""Variables of the deploy; nobody has them afterwards."""


def deployed(ftl: Callable[..., Project], server: Server) -> LabProject:
    """A project that needs variables for its deploy, with a dependency."""
    app = lab_project(ftl, server, env={"KEY": "${APP_KEY}"})
    add_echo(app)["env"] = {"KEY": "${APP_KEY}"}
    app.deploy(env=VALUES).ok()
    return app


def shown(status: Outcome) -> dict[str, object]:
    """What a status says that does not change with the time."""
    found = status.ok().result
    seen = ("name", "wanted", "running", "health", "ports")
    return {"urls": found["urls"], "units": [[unit[key] for key in seen] for unit in found["units"]]}


def test_what_runs_is_read_without_the_values_of_its_deploy(
    ftl: Callable[..., Project], server: Server, ssh_config: Path
) -> None:
    """Logs, status, commands and tunnels: with the file, where another value is needed, and without the file."""
    app = deployed(ftl, server)
    for command in (("deploy",), ("plan",), ("validate",)):
        refused = app.run(*command)
        assert (refused.exit_code, "the variable APP_KEY is not set" in refused.stderr) == (2, True)

    def looked(there: LabProject, where: tuple[str, ...]) -> dict[str, object]:
        """What the commands show."""
        run = there.project.run
        logs = run("logs", "--no-prefix", *where).ok()
        assert (logs.stdout, logs.stderr) == ("echo is up\n", "")
        printed = run("exec", *where, "web", "--", "sh", "-c", "echo $KEY").ok().stdout
        assert printed == f"{VALUES['APP_KEY']}\n"
        return shown(run("status", "--json", *where))

    by_file = looked(app, ())
    there, where = elsewhere(app, ssh_config)
    assert looked(there, where) == by_file

    # A value that a status shows.
    app.service()["health_check"] = {"path": "${APP_PATH}"}
    app.save()
    noted = app.project.run("status", "--json")
    (note,) = noted.events("note")
    assert note["text"].startswith("what was deployed is shown: ftl.yaml:")
    assert note["text"].endswith("the variable APP_PATH is not set")
    assert shown(noted) == by_file

    # A dependency that only the server has.
    del app.config["dependencies"]
    app.save()
    for here, options in ((app, ()), (there, where)):
        port = free_port()
        with here.project.start("tunnels", *options, "-p", f"cache={port}") as process:
            assert opened(process)[1] == f"cache       {PORT}  127.0.0.1:{port}"
            assert ask(port) == b"hello\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
    unknown = there.project.run("logs", *where, "cach")
    assert (unknown.exit_code, "did you mean `cache`?" in unknown.stderr) == (2, True)
    hinted = there.project.run("restart", *where[:2], "--project", "nothing")
    assert f"`ftl --server {where[1]} deploy`" in hinted.stderr


def test_a_deploy_of_one_service_asks_no_vault_for_the_secrets_of_another(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Nor for those of a dependency that goes on; one that is gone is created with its own. All else stays as it is."""
    app = lab_project(ftl, server, secrets=["WEB"])
    app.config["secrets"] = {
        name: {"command": ["sh", "-c", f"echo asked >> asked.{name}; cat vault.{name}"]}
        for name in ("WEB", "API", "CACHE")
    }
    api = {"name": "api", "build": "app", "port": 8000, "routes": ["/api"], "env": {"KEY": "${API}"}}
    app.config["services"].append({**api, "stop_timeout": 0})
    add_echo(app)["env"] = {"KEY": "${CACHE}"}
    folder = app.project.folder
    app.project.write({f"vault.{name}": f"{name.lower()}-value" for name in ("WEB", "API", "CACHE")})
    app.deploy().ok()

    def asked() -> set[str]:
        """The secrets that were asked for since the last call."""
        found = {*folder.glob("asked.*")}
        for path in found:
            path.unlink()
        return {path.suffix for path in found}

    assert asked() == {".WEB", ".API", ".CACHE"}
    for name in ("API", "CACHE"):
        (folder / f"vault.{name}").unlink()  # that vault is out of reach
    before = app.containers()
    app.version("two")
    planned = app.run("plan", "web", "--json").ok().result["changes"]
    assert {one["name"]: one["action"] for one in planned} == {"web": "replaced", "cache": "unchanged"}
    app.deploy("web").ok()
    assert (app.get(), asked()) == ((200, "two"), {".WEB"})
    assert {*before} - {*app.containers()} == {f"{app.name}-web-r1"}

    def key(name: str) -> str:
        return app.run("exec", name, "--", "sh", "-c", "echo $KEY").ok().stdout.strip()

    assert (key("api"), key("cache")) == ("api-value", "cache-value")
    app.run("build", "web").ok()
    assert asked() == set()

    # The record of the part has the others' values: a rollback needs none.
    app.run("rollback").ok()
    assert (app.get(), asked(), key("api")) == ((200, "one"), set(), "api-value")

    server.docker("rm", "-f", f"{app.name}-cache")
    failed = app.run("deploy", "web")
    assert (failed.exit_code, "the secret CACHE" in failed.stderr) == (2, True), failed
    app.project.write({"vault.CACHE": "another-value"})
    assert asked() == {".WEB", ".CACHE"}
    app.deploy("web").ok()
    assert (asked(), key("cache"), app.get()) == ({".WEB", ".CACHE"}, "another-value", (200, "two"))


@pytest.mark.nightly
def test_a_database_is_backed_up_and_restored_without_them(
    ftl: Callable[..., Project], server: Server, ssh_config: Path
) -> None:
    """Also one that ftl.yaml does not have any more: by its container, and for a drill by the release's record."""
    images.ensure("redis")
    app = lab_project(ftl, server, env={"KEY": "${APP_KEY}"})
    app.config["dependencies"] = [{**REDIS, "env": {"KEY": "${APP_KEY}"}}]
    app.config["backups"] = [{"dependency": "cache", "schedule": "0 0 1 1 *", "path": "/srv/backups"}]
    app.deploy(env=VALUES).ok()
    redis(app, "SET", "colour", "blue")
    app.run("jobs", "run", "backup.cache").ok()
    for section in ("dependencies", "backups"):
        del app.config[section]
    app.save()
    there, where = elsewhere(app, ssh_config)
    for here, options in ((app, ()), (there, where)):
        run = here.project.run
        run("backup", *options, "cache", "cache.rdb").ok()
        redis(app, "SET", "colour", "red")
        run("restore", *options, "cache", "cache.rdb", "--yes").ok()
        assert redis(app, "GET", "colour") == "blue"
        run("restore", *options, "cache", "cache.rdb", "--drill").ok()
        (stored,) = run("backup", *options, "--list", "--json").ok().result["backups"]
        assert stored["path"].startswith(f"/srv/backups/{app.name}/")
        run("restore", *options, "cache", "--from-server", "latest", "--drill").ok()
    refused = there.project.run("restore", *where, "web", "cache.rdb", "--yes")
    assert (refused.exit_code, "web is a service" in refused.stderr) == (2, True)
