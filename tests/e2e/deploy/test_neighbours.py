"""Two projects and two environments on one server, whose names differ by one character."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lab.images import BUSYBOX
from tests.e2e.support.project import LabProject, lab_project, visitors

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def project_resources(app: LabProject) -> dict[str, str]:
    """IDs of all that the server has under the project's label, and its volumes with their content."""
    listed = {
        kind: app.server.docker(kind, "ls", "--quiet", "--filter", f"label=ftl.project={app.name}")
        for kind in ("container", "network", "volume", "image")
    }
    for volume in listed["volume"].split():
        folder = app.server.docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume)
        listed[volume] = app.server.run("sh", "-c", f"cat {folder}/*").stdout.decode()
    return listed


@pytest.mark.nightly
def test_neighbours_with_similar_names_do_not_touch_each_other(
    ftl: Callable[..., Project], server: Server
) -> None:
    """`x` and its environment `x-staging`, and a project `x_staging` with one of its own."""
    first = lab_project(ftl, server, volumes=["data:/data"])
    staging = replace(first, name=f"{first.name}-staging")
    first.project.write(
        {"ftl.staging.yaml": {"project": {"domain": staging.domain}, "services": [{"name": "web"}]}}
    )
    other = replace(first, name=f"{first.name}_staging", config={**first.config})
    other.config["project"] = {"name": other.name, "domain": other.domain}
    apps = (first, staging, other)
    for app in apps:
        first.version(app.name)
        app.deploy(*(("-e", "staging") if app is staging else ())).ok()
        write = ("sh", "-c", f"echo {app.name} > /data/owner")
        app.run("exec", "web", *(("-e", "staging") if app is staging else ()), "--", *write).ok()
    before = {app.name: project_resources(app) for app in apps}
    for app in apps:
        assert app.get() == (200, app.name)
        assert app.containers() == [f"{app.name}-web-r1"]
        assert before[app.name][f"{app.name}_data"].strip() == app.name

    # A volume of the first would have the name of one of the other.
    first.config["volumes"] = ["data", "staging_data"]
    refused = first.deploy()
    assert refused.exit_code == 2
    assert f"is taken by project {other.name}" in refused.result["error"]["message"]
    del first.config["volumes"]

    with visitors(first, 2) as one, visitors(other, 2) as two:
        first.version("next")
        assert staging.deploy("-e", "staging").ok().result["release"] == "r2"
        for command in (
            ("restart",),
            ("scale", "web=2"),
            ("scale", "web=1"),
            ("prune",),
        ):
            staging.run(command[0], "--json", "-e", "staging", *command[1:]).ok()
        removed = staging.run("remove", "--json", "-e", "staging", "--volumes", "--yes").ok().result
    assert (one.failures, two.failures) == ({}, {})
    assert (one.seen, two.seen) == ({first.name}, {other.name})
    assert removed["removed"]["volumes"] == [f"{staging.name}_data"]
    assert not any(project_resources(staging).values())
    assert {app.name: project_resources(app) for app in (first, other)} == {
        app.name: before[app.name] for app in (first, other)
    }
    released = first.run("releases", "--json").ok().result["releases"]
    assert [release["release"] for release in released] == ["r1"]


def test_a_database_never_starts_on_a_volume_that_another_container_writes_to(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Compose's container still runs on the volume: it is named, nothing was touched, and stopped it is in no way."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    compose, volume = f"{app.name}-db-1", f"{app.name}_data"
    command = ("sh", "-c", "while sleep 1; do date >> /data/rows; done")
    options = ("--restart", "always", "--name", compose, "-v", f"{volume}:/data")
    server.docker("run", "-d", *options, f"{app.name}-web:r1", *command)
    dependency = {"name": "db", "image": BUSYBOX, "command": ["sleep", "600"], "stop_signal": "KILL"}
    app.config["dependencies"] = [{**dependency, "volumes": ["data:/data"]}]
    refused = app.deploy()
    error = refused.result["error"]
    assert (refused.exit_code, app.containers()) == (2, [compose, f"{app.name}-web-r1"])
    assert f"would start on {volume}" in error["message"]
    assert compose in error["message"]
    stop = error["hint"].split("`")[1]
    assert f"docker stop {compose}" in stop
    assert server.docker("ps", "-q", "--filter", f"name={compose}")

    server.run("sh", "-c", stop)
    app.deploy().ok()
    assert server.docker("exec", f"{app.name}-db", "cat", "/data/rows")
    server.docker("rm", "-f", compose)


def test_an_environment_has_its_own_secret_and_a_file_of_a_folder(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Short forms of ftl.yaml stay below the overlay, in the containers, too."""
    app = lab_project(ftl, server)
    app.config["secrets"] = {"TOKEN": {"command": ["echo", "hunter2"], "timeout": 5}}
    app.config["services"][0]["env"] = ["URL=${URL}", "BASE=1"]
    database = {"name": "db", "image": BUSYBOX, "command": ["sleep", "600"], "stop_signal": "KILL"}
    app.config["dependencies"] = [{**database, "files": {"/docker-entrypoint-initdb.d": "db/init"}}]
    app.project.write(
        {
            ".env": "URL=x://${TOKEN}\nSTAGING_TOKEN=of-staging\n",
            "db/init/10.sh": "#!/bin/sh\necho base\n",
            "db/init/sub/20.sql": "select 1",
            "staging.sh": "#!/bin/sh\necho staging\n",
            "ftl.staging.yaml": {
                "project": {"domain": f"{app.name}-staging.example.com"},
                "secrets": {"TOKEN": {"env": "STAGING_TOKEN"}},
                "services": [{"name": "web", "env": {"MORE": "2"}}],
                "dependencies": {
                    "db": {
                        "files": {
                            "/docker-entrypoint-initdb.d/10.sh": {"source": "staging.sh", "mode": "0755"}
                        }
                    }
                },
            },
        }
    )
    (app.project.folder / "db/init/10.sh").chmod(0o755)
    app.deploy().ok()
    app.deploy("-e", "staging").ok()
    for name, token, said in (
        (app.name, "hunter2", "base"),
        (f"{app.name}-staging", "of-staging", "staging"),
    ):
        env = server.docker("exec", f"{name}-web-r1", "env").split()
        assert {f"URL=x://{token}", "BASE=1"} <= set(env)
        assert ("MORE=2" in env) is (said == "staging")
        folder = "/docker-entrypoint-initdb.d"
        assert server.docker("exec", f"{name}-db", f"{folder}/10.sh").strip() == said
        assert server.docker("exec", "-u", "1000", f"{name}-db", "cat", f"{folder}/sub/20.sql") == "select 1"


def test_an_environment_under_the_name_of_production_is_refused(
    ftl: Callable[..., Project], server: Server
) -> None:
    """It would replace production's containers; --adopt takes it over, and from then on production is refused."""
    app = lab_project(ftl, server)
    app.project.write({"ftl.staging.yaml": {"project": {"name": app.name}}})
    app.deploy().ok()
    app.version("staged")
    refused = app.deploy("-e", "staging")
    error = refused.result["error"]
    assert refused.exit_code == 2
    assert "was deployed without an environment" in error["message"]
    assert "this deploy is in the environment staging" in error["message"]
    assert "`ftl -e staging deploy --adopt`" in error["hint"]
    assert (app.get(), app.containers()) == ((200, "one"), [f"{app.name}-web-r1"])
    assert app.deploy("-e", "staging", "--adopt").ok().result["release"] == "r2"
    assert app.get() == (200, "staged")
    assert app.deploy().exit_code == 2
    entries = app.run("audit", "--json").ok().result["entries"]
    assert [(each["release"], each["environment"]) for each in entries] == [("r2", "staging"), ("r1", None)]
    assert "ENVIRONMENT" in app.run("audit").ok().stdout.splitlines()[0]
