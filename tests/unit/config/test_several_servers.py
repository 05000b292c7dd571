"""Projects with several servers: places of services, and the choice of one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.models.project import ClusterServer, Project, Server
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import UsageError
from ftl.ssh.target import target_of

from .conftest import load_file, written

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Load

FILE = """\
project: {name: shop, domain: shop.example.com}
servers:
  - a.example.com
  - {host: b.example.com, user: deploy, roles: [web]}
  - {host: c.example.com, roles: [worker]}
services:
  - {name: web, build: ., on: web}
  - {name: mail, build: ., on: [c.example.com, a.example.com]}
  - {name: all, build: .}
  - {name: files, build: ., volumes: ["files:/files"]}
dependencies:
  - {name: postgres, image: postgres, on: c.example.com}
  - {name: redis, image: redis}
"""


def test_places_are_in_the_order_of_the_file(loaded: Load) -> None:
    """Roles and hosts lead to servers; what has a named volume is on one server, the first."""
    project = loaded(FILE)
    places = {
        service.name: "".join(place[0] for place in project.servers_for(service))
        for service in project.services
    }
    assert places == {"web": "ab", "mail": "ac", "all": "abc", "files": "a"}
    assert [project.server_for(dependency) for dependency in project.dependencies] == [
        "c.example.com",
        "a.example.com",
    ]
    assert project.server == Server(host="a.example.com")


def test_a_server_can_be_chosen_and_keeps_its_keys(folder: Path) -> None:
    """--server with the host of one of them makes it the server; the others stay."""
    path = written(folder, FILE)
    project = load_file(path, {}, server=Server(host="b.example.com"))
    assert (project.server.host, project.server.user, len(project.servers)) == ("b.example.com", "deploy", 3)
    with pytest.raises(UsageError, match=r"d\.example\.com is not one of the servers of shop"):
        load_file(path, {}, server=Server(host="d.example.com"))


def test_a_sandbox_takes_the_place_of_all_servers(folder: Path) -> None:
    """On a throwaway server everything runs on that one."""
    sandbox = Server(host="127.0.0.1", port=2222, has_visitors=False)
    project = load_file(written(folder, FILE), {}, server=sandbox)
    assert (project.is_cluster, project.server, project.servers_for(project.services[0])) == (
        False,
        sandbox,
        (),
    )


def test_the_servers_of_a_sandbox_take_the_places_of_those_in_the_file(folder: Path) -> None:
    """Each keeps its name and its roles, so that `on` means the same, and is reached where the sandbox is."""
    sandbox = [
        ClusterServer(host="127.0.0.1", port=port, user="ftl", has_visitors=False, connect_to="127.0.0.1")
        for port in (2222, 2223, 2224, 2225)
    ]
    path = written(folder, FILE)

    def on(servers: list[ClusterServer]) -> Project:
        variables = read_variables(folder, {})
        first = Server(host="127.0.0.1", port=2222, has_visitors=False)
        return load(ProjectFiles(path, variables), server=first, sandbox_servers=servers)

    project = on(sandbox)
    assert [(each.host, each.roles, each.port) for each in project.servers] == [
        ("a.example.com", ("web", "worker"), 2222),
        ("b.example.com", ("web",), 2223),
        ("c.example.com", ("worker",), 2224),
    ]
    assert {each.user for each in project.servers} == {"ftl"}
    assert [target_of(each).address for each in (project.server, *project.servers)] == ["127.0.0.1"] * 4
    assert target_of(project.server).host == "a.example.com"
    assert project.proxy.tls == "internal"
    with pytest.raises(UsageError, match="shop has 3 servers, and the sandbox 2") as caught:
        on(sandbox[:2])
    assert "ftl sandbox up --servers 3" in (caught.value.hint or "")


def test_an_environment_may_have_one_server(folder: Path) -> None:
    """`server` in an overlay takes the place of the `servers` of the file."""
    path = written(folder, FILE.split("services:")[0] + "services: [{name: web, build: .}]\n")
    (folder / "ftl.staging.yaml").write_text("server: staging.example.com\n")
    project = load(ProjectFiles(path, read_variables(folder, {}), "staging"))
    assert (project.is_cluster, project.server.host) == (False, "staging.example.com")


def test_plain_values_without_servers_have_no_places(loaded: Load) -> None:
    """The record of a release on one server is as it was before there were several; with them it restores them."""
    single = loaded(
        "project: {name: shop, domain: shop.example.com}\nservices: [{name: web, build: .}]\n"
    ).to_dict()
    assert "servers" not in single
    assert "on" not in single["services"][0]
    project = loaded(FILE)
    assert Project.from_dict(project.to_dict()).servers == project.servers
