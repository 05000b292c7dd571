"""Previews on a real server: beside the project, until the server removes them."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

OVERLAY = 'project: {domain: "${FTL_ENV}.preview.example.com"}\n'


def test_a_preview_lives_beside_the_project_until_its_end(
    ftl: Callable[..., Project], server: Server
) -> None:
    """The server's own cron removes it with its data, and nothing of the project."""
    app = lab_project(ftl, server)
    app.service()["volumes"] = ["data:/data"]
    app.deploy().ok()
    app.project.write({"ftl.preview.yaml": OVERLAY})
    made = app.run("preview", "up", "--pr", "7", "--json").ok().result
    name = f"{app.name}-pr-7"
    assert (made["preview"]["name"], made["preview"]["project"]) == ("pr-7", name)
    assert _status(server, "pr-7.preview.example.com") == app.get()[0] == 200
    (listed,) = app.run("preview", "list", "--json").ok().result["previews"]
    assert (listed["name"], listed["until"], listed["running"]) == ("pr-7", made["preview"]["until"], 1)

    (line,) = [line for line in _crontab(server) if line.endswith(f"# ftl-preview {name}")]
    _wake(server, line)
    assert _belongings(server, name) != ["", "", "", ""]
    image = server.docker("inspect", "-f", "{{.Image}}", "ftl-proxy")
    moved = ("-i", 's/{"until": [0-9]*/{"until": 1/', f"/ftl/{name}/preview.json")
    server.docker("run", "--rm", "--volumes-from", "ftl-state", "--entrypoint", "sed", image, *moved)
    before = _belongings(server, app.name)
    _wake(server, line)
    assert _belongings(server, name) == ["", "", "", ""]
    assert _belongings(server, app.name) == before
    assert not any(name in line for line in _crontab(server))
    assert (_status(server, "pr-7.preview.example.com"), app.get()[0]) == (503, 200)
    assert app.run("preview", "list", "--json").ok().result["previews"] == []
    assert app.run("preview", "down", "--pr", "7", "--json").ok().result["removed"]["volumes"] == []

    app.version("two")
    app.deploy().ok()
    assert _status(server, "pr-7.preview.example.com") == 404


@pytest.mark.nightly
def test_a_preview_is_taken_down_by_hand(ftl: Callable[..., Project], server: Server) -> None:
    """All of it goes at once, also from the crontab; a name that is not a preview's is left alone."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.project.write({"ftl.preview.yaml": OVERLAY})
    app.run("preview", "up", "x").ok()
    app.run("preview", "down", "x").ok()
    name = f"{app.name}-x"
    assert _belongings(server, name) == ["", "", "", ""]
    assert not any(name in line for line in _crontab(server))
    app.project.write({"ftl.staging.yaml": "project: {domain: staging.example.com}\n"})
    app.run("-e", "staging", "deploy").ok()
    (app.project.folder / "ftl.staging.yaml").unlink()
    refused = app.run("preview", "up", "staging", "--json")
    assert (refused.exit_code, "is not a preview" in refused.result["error"]["message"]) == (2, True)
    refused = app.run("preview", "down", "staging", "--json")
    assert (refused.exit_code, "is not a preview" in refused.result["error"]["message"]) == (2, True)
    assert _belongings(server, f"{app.name}-staging")[0] != ""


SEEDED = """\
FROM ftl-lab-busybox:latest AS busybox
FROM postgres:16
COPY --from=busybox /bin/busybox /bin/busybox
COPY goods /www/cgi-bin/goods
COPY www /www
ENTRYPOINT []
CMD ["busybox", "httpd", "-f", "-p", "8000", "-h", "/www"]
"""
GOODS = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec psql "$DATABASE_URL" -qtAc 'select name from goods' 2>&1
"""
MIGRATED = "create table if not exists goods (name text unique)"
SEED = "insert into goods values ('a chair for ' || :'preview') on conflict do nothing"


def _statement(sql: str) -> list[str]:
    """A hook that runs it in the database."""
    return ["sh", "-c", f'echo "{sql}" | psql "$DATABASE_URL" -qv ON_ERROR_STOP=1 -v "preview=$FTL_ENV"']


@pytest.mark.nightly
def test_a_hook_fills_the_database_of_a_preview(ftl: Callable[..., Project], server: Server) -> None:
    """A page of the preview shows the row, once after a second `up`, too; the project's own page does not."""
    images.ensure("postgres")
    app = lab_project(ftl, server)
    app.project.write({"app/goods": GOODS})
    (app.project.folder / "app/goods").chmod(0o755)
    app.version("one", dockerfile=SEEDED)
    app.service()["env"] = {"DATABASE_URL": "postgresql://postgres:s3cret@db/postgres"}
    app.service()["hooks"] = {"pre": _statement(MIGRATED)}
    data = {"env": {"POSTGRES_PASSWORD": "s3cret"}, "volumes": ["data:/var/lib/postgresql/data"]}
    app.config["dependencies"] = [{"name": "db", "image": "postgres:16", **data}]
    app.deploy().ok()
    seeding = {"name": "web", "hooks": {"pre": _statement(f"{MIGRATED}; {SEED}")}}
    overlay = {"project": {"domain": "${FTL_ENV}.preview.example.com"}, "services": [seeding]}
    app.project.write({"ftl.preview.yaml": overlay})
    for _ in range(2):
        app.run("preview", "up", "--pr", "7", "--json").ok()
        shown = _get(server, "pr-7.preview.example.com", "/cgi-bin/goods")
        assert shown == (200, "a chair for pr-7\n")
    assert app.get("/cgi-bin/goods") == (200, "")
    app.run("preview", "down", "--pr", "7").ok()
    assert _belongings(server, f"{app.name}-pr-7") == ["", "", "", ""]
    assert app.get("/cgi-bin/goods") == (200, "")


def _belongings(server: Server, project: str) -> list[str]:
    """IDs of its containers, networks, volumes and images."""
    mine = ("--filter", f"label=ftl.project={project}")
    return [
        server.docker("ps", "-aq", *mine),
        server.docker("network", "ls", "-q", *mine),
        server.docker("volume", "ls", "-q", *mine),
        server.docker("images", "-q", *mine),
    ]


def _wake(server: Server, line: str) -> None:
    """Run what cron runs."""
    server.run("su", "-", "ftl", "-c", line.partition(" * * * * ")[2])


def _status(server: Server, host: str) -> int:
    return _get(server, host)[0]


def _get(server: Server, host: str, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _crontab(server: Server) -> list[str]:
    return server.run("crontab", "-u", "ftl", "-l").stdout.decode().splitlines()
