"""`ftl deploy` end to end: a real engine here, a real server, and clients during the switch."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import DOCKERFILE, lab_project, unique, visitors
from tests.e2e.support.transfer.servers import kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def test_a_first_deploy_serves_and_the_next_ones_do_only_what_changed(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Created, then unchanged, then replaced by one new layer; the old container is gone and records are private.

    Where no release is kept for a rollback its image is gone, too, with its layer in FTL's cache, and the deploy says
    what that has freed.
    """
    app = lab_project(ftl, server)
    app.project.write({"app/www/name": app.name})  # no other project has this layer
    first = app.deploy().ok().result
    assert (first["release"], first["services"]["web"]["action"]) == ("r1", "created")
    assert first["services"]["web"]["bytes_sent"] > 0
    assert app.get() == (200, "one")

    again = app.deploy().ok().result
    assert (again["release"], again["services"]["web"]["action"]) == ("r1", "unchanged")
    assert again["services"]["web"]["bytes_sent"] == 0

    app.version("two")
    app.config["keep_releases"] = 1
    layers = server.docker("inspect", "--format", '{{join .RootFS.Layers " "}}', f"{app.name}-web:r1")
    own = layers.rpartition("sha256:")[2]
    assert any(name.startswith(own) for name in kept(server))
    outcome = app.deploy().ok()
    freed = [note["text"] for note in outcome.events("note") if " freed on " in note["text"]]
    assert "images of old releases are removed: at most" in freed[0], "Docker 20.10 does not measure"
    assert (outcome.result["bytes_freed"] > 0, outcome.result["freed_estimated"]) == (True, True)
    second = outcome.result["services"]["web"]
    assert (second["action"], second["layers_sent"]) == ("replaced", 1)
    assert second["layers_reused"] > 0
    assert [note for note in outcome.events("note") if "was killed after 1 s" in note["text"]]
    assert app.get() == (200, "two")
    assert app.containers() == [f"{app.name}-web-r2"]
    deadline = time.monotonic() + 20
    while any(name.startswith(own) for name in kept(server)):  # in the background there
        assert time.monotonic() < deadline, "the layer of an image that is gone is still cached"
        time.sleep(0.1)

    records = server.run(
        "sh", "-c", f"ls -l /var/lib/docker/volumes/ftl-state/_data/{app.name}"
    ).stdout.decode()
    assert {line.split()[0] for line in records.splitlines()[1:]} == {"-rw-------"}
    stored = server.run("cat", f"/var/lib/docker/volumes/ftl-state/_data/{app.name}/r2.json").stdout
    assert json.loads(stored)["outcome"] == "live"


def test_no_request_fails_while_a_release_is_replaced(ftl: Callable[..., Project], server: Server) -> None:
    """Visitors who never retry, and a slow request in flight, notice two deploys by the answers alone."""
    app = lab_project(ftl, server, replicas=2)
    app.deploy().ok()
    slow: list[tuple[int, str]] = []
    with visitors(app) as visit:
        for version in ("two", "three"):
            app.version(version)
            pending = threading.Thread(target=lambda: slow.append(app.get("/cgi-bin/slow")))
            pending.start()
            app.deploy().ok()
            pending.join()
    assert visit.failures == {}
    assert visit.seen == {"one", "two", "three"}
    assert slow == [(200, "slow done")] * 2
    assert len(app.containers()) == 2


CALLING = """\
address=$$(nslookup inner | sed -n 's/^Address.* //p' | tail -n 1)
wget -qO /answer --header "Host: inner:8000" "http://$$address:8000/" || exit 9
exec httpd -f -p 8000 -h /www
"""
"""A service that calls another at its start, and does not start without; busybox's wget takes no names."""


def test_services_reach_each_other_by_name(ftl: Callable[..., Project], server: Server) -> None:
    """From inside a container the name of a service leads to its live release, also on the first deploy.

    One that `depends_on` it can call it at its own start, however long it takes until it answers.
    """
    app = lab_project(ftl, server, command=["sh", "-c", CALLING], depends_on=["inner"])
    slow = ["sh", "-c", "sleep 1; exec httpd -f -p 8000 -h /www"]
    app.config["services"].append(
        {"name": "inner", "build": "app", "command": slow, "port": 8000, "stop_timeout": 1}
    )
    app.service()["hooks"] = {
        "pre": "for i in 1 2 3; do nslookup inner >/dev/null 2>&1 && break; sleep 1; done; nslookup inner"
    }
    outcome = app.deploy().ok()
    assert any("inner" in line["line"] for line in outcome.events("hook_output"))
    caller = f"{app.name}-web-r1"
    found = server.docker("exec", caller, "nslookup", "inner").splitlines()
    address = [line.split()[-1] for line in found if line.startswith("Address")][-1]
    answer = server.docker(
        "exec", caller, "wget", "-qO-", "--header", "Host: inner:8000", f"http://{address}:8000/"
    )
    assert answer == server.docker("exec", caller, "cat", "/answer") == "one"


def test_a_dependency_starts_first_and_its_data_stays(ftl: Callable[..., Project], server: Server) -> None:
    """A dependency is reached on the server's loopback alone, and a new one finds the old one's volume."""
    app = lab_project(ftl, server)
    files: dict[str, object] = {
        "db/Dockerfile": 'FROM ftl-lab-busybox:latest\nCOPY mark /\nCMD ["httpd", "-f", "-p", "5432", "-h", "/data"]\n',
        "db/mark": app.name,
    }
    app.project.write(files)
    image = f"ftl-lab-{unique('db')}"
    subprocess.run(
        ["/usr/bin/docker", "build", "-q", "-t", image, str(app.project.folder / "db")], check=True
    )
    dependency = {
        "name": "db",
        "image": image,
        "ports": [5432],
        "volumes": ["data:/data"],
        "env": {"A": "1"},
        "stop_signal": "KILL",  # as the first process, busybox's httpd ignores SIGTERM for 30 seconds
    }
    app.config["dependencies"] = [dependency]
    made = app.deploy().ok().result["dependencies"]["db"]
    assert made["action"] == "created"
    assert (made["layers_sent"] > 0, made["bytes_sent"] > 0) == (True, True), "no registry has it"
    server.docker("exec", f"{app.name}-db", "sh", "-c", "echo kept > /data/file")
    bound = server.docker("port", f"{app.name}-db", "5432")
    assert bound.startswith("127.0.0.1:")

    dependency["env"] = {"A": "2"}
    assert app.deploy().ok().result["dependencies"]["db"]["action"] == "replaced"
    assert server.docker("exec", f"{app.name}-db", "cat", "/data/file") == "kept"
    assert app.containers() == [f"{app.name}-db", f"{app.name}-web-r1"]

    # Built here: sent without a pull, replaced only by another content; a prune drops the image before.
    del dependency["image"]
    dependency["build"] = "db"
    first = app.deploy().ok().result["dependencies"]["db"]
    assert (first["action"], first["image"].startswith(f"{app.name}-db:c")) == ("replaced", True)
    assert app.deploy().ok().result["changed"] is False
    app.project.write({"db/mark": "another\n"})
    app.config["keep_releases"] = 1
    second = app.deploy().ok().result["dependencies"]["db"]
    assert (second["action"], second["bytes_sent"] > 0) == ("replaced", True)
    assert server.docker("exec", f"{app.name}-db", "cat", "/mark", "/data/file").split() == [
        "another",
        "kept",
    ]
    app.run("prune", "--json").ok()
    tags = server.docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{app.name}-db").split()
    assert tags == [second["image"]]


def test_a_failing_hook_keeps_the_old_release(ftl: Callable[..., Project], server: Server) -> None:
    """A pre hook runs in the new image; when it fails nothing is switched and its output is shown."""
    app = lab_project(ftl, server, volumes=["data:/data"])
    app.service()["hooks"] = {"pre": "cat /www/index.html > /data/migrated"}
    app.deploy().ok()
    assert server.docker("exec", f"{app.name}-web-r1", "cat", "/data/migrated") == "one"

    app.version("two")
    app.service()["hooks"] = {"pre": "echo cannot migrate; exit 7"}
    failed = app.run("deploy")
    assert failed.exit_code == 1
    assert "cannot migrate" in failed.stderr
    assert "status 7" in failed.stderr
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


def test_local_hooks_run_here(ftl: Callable[..., Project], server: Server) -> None:
    """A local hook runs in the folder of ftl.yaml and is told the release; where it fails last, nothing is left."""
    app = lab_project(ftl, server)
    app.service()["hooks"] = {"post": {"local": 'echo "$FTL_RELEASE of $FTL_PROJECT" | tee told'}}
    app.deploy().ok()
    told = app.run("logs", "--hooks", "--no-prefix").ok().stdout
    assert told == f"r1 of {app.name}\n"
    assert (app.project.folder / "told").read_text() == f"r1 of {app.name}\n"

    app.version("two")
    app.service()["hooks"] = {"post": {"local": "exit 7"}}
    failed = app.run("deploy")
    assert (failed.exit_code, app.get(), app.containers()) == (1, (200, "two"), [f"{app.name}-web-r2"])
    assert "everything is done except its post hooks" in failed.stderr
    assert "what is left" not in failed.stderr


def test_https_works_beside_http(ftl: Callable[..., Project], server: Server) -> None:
    """With `tls: internal` the proxy's own authority signs, and both schemes serve."""
    app = lab_project(ftl, server)
    app.config["proxy"] = {"tls": "internal"}
    app.deploy().ok()
    assert app.get() == (200, "one")
    assert app.get_secure() == (200, "one")


def test_what_leaves_the_file_leaves_the_server(ftl: Callable[..., Project], server: Server) -> None:
    """A service that ftl.yaml no longer names is removed; its volume is kept."""
    app = lab_project(ftl, server)
    app.config["services"].append(
        {
            "name": "old",
            "build": "app",
            "port": 8000,
            "routes": ["/old"],
            "volumes": ["kept:/k"],
            "stop_timeout": 1,
        }
    )
    app.deploy().ok()
    app.config["services"].pop()
    result = app.deploy().ok().result
    assert (result["removed"], set(result["services"])) == (["old"], {"web"})
    assert app.containers() == [f"{app.name}-web-r1"]
    assert f"{app.name}_kept" in server.docker("volume", "ls", "-q").split()


def test_recreate_stops_the_old_first_and_brings_it_back_on_failure(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Two that cannot run side by side are replaced in turn, and a bad one gives way to the old again."""
    app = lab_project(ftl, server, recreate=True, forwards=["127.0.0.1:18080:8000"])
    app.deploy().ok()
    app.version("two")
    app.deploy().ok()
    assert app.get() == (200, "two")
    app.version("three")
    app.service()["health_check"] = {"path": "/missing", "interval": "200ms", "retries": 3}
    assert app.deploy().exit_code == 1
    assert app.get() == (200, "two")
    assert app.containers(running=True) == [f"{app.name}-web-r2"]


def test_images_of_failed_releases_go_from_both_machines(ftl: Callable[..., Project], server: Server) -> None:
    """The next good deploy untags what a failed one left, on the server and on the machine that built it."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two")
    app.service()["hooks"] = {"pre": "exit 7"}
    assert app.deploy().exit_code == 1
    app.service().pop("hooks")
    app.version("three")
    app.deploy().ok()
    listing = ["images", "--format", "{{.Tag}}", f"{app.name}-web"]
    here = subprocess.run(["docker", *listing], check=True, capture_output=True, text=True).stdout
    assert sorted(server.docker(*listing).split()) == ["r1", "r3"]
    assert sorted(here.split()) == ["latest", "r1", "r3"]


def test_one_service_can_be_deployed_alone(ftl: Callable[..., Project], server: Server) -> None:
    """`ftl deploy web` leaves the other at its release; an unknown name is a usage error that names the known."""
    app = lab_project(ftl, server)
    app.config["services"].append({"name": "inner", "build": "app", "port": 8000, "stop_timeout": 1})
    app.deploy().ok()
    app.version("two")
    assert set(app.deploy("web").ok().result["services"]) == {"web"}
    assert app.containers() == [f"{app.name}-inner-r1", f"{app.name}-web-r2"]
    wrong = app.run("deploy", "wep")
    assert wrong.exit_code == 2
    assert "web" in wrong.stderr


def test_a_plan_changes_nothing(ftl: Callable[..., Project], server: Server) -> None:
    """`ftl plan` prints the steps of a first deploy, and the server is as it was."""
    app = lab_project(ftl, server)
    plan = app.run("plan").ok()
    assert f"start {app.name}-web-r1" in plan.stdout + plan.stderr
    assert app.containers() == []


def test_workers_need_no_port(ftl: Callable[..., Project], server: Server) -> None:
    """A service without a port is healthy when it keeps running, and is replaced as others are."""
    app = lab_project(ftl, server)
    app.config["services"] = [
        {"name": "job", "image": "ftl-lab-busybox:latest", "command": "sleep 1000", "stop_timeout": 0}
    ]
    app.deploy().ok()
    assert app.containers(running=True) == [f"{app.name}-job-r1"]
    app.service("job")["command"] = "sleep 2000"
    app.deploy().ok()
    assert app.containers() == [f"{app.name}-job-r2"]


def test_a_change_of_port_loses_no_request(ftl: Callable[..., Project], server: Server) -> None:
    """Visitors who never retry do not notice that the app listens elsewhere from now on."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    with visitors(app) as visit:
        app.version("two", dockerfile=DOCKERFILE.replace("8000", "9000"))
        app.service()["port"] = 9000
        app.deploy().ok()
    assert visit.failures == {}
    assert visit.seen == {"one", "two"}
