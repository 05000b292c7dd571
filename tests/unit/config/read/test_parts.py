"""Parts of ftl.yaml: all else may be wrong, and no variable in it has to be set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load_address, load_parts
from ftl.config.models.server import Server
from ftl.config.project_files import ProjectFiles
from ftl.config.read.parts import CHECKED, NAMES, UNITS, Parts
from ftl.config.variables.sources import read_variables
from ftl.engine import labels
from ftl.errors import ConfigError
from ftl.image.registry.access import pulled_images
from ftl.image.registry.names import push_registries
from ftl.operations.views.container_health import health_spec
from ftl.operations.views.logs.query import names_of
from ftl.proxy.project_site import site_of
from ftl.server.doctor.checks.local import BuildNeeds
from tests.unit.config.conftest import Load, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl.config.models.project import Project

WANTS = """\
project: {name: shop, domain: "${DOMAIN}", email: "${EMAIL}"}
server: {host: "${HOST}", user: deploy}
services:
  - name: web
    image: "shop:${TAG}"
    env_file: nowhere.env
    port: "${PORT}"
    env: {KEY: "${KEY}"}
    container: {health_check: {cmd: "ask ${KEY}"}}
dependencies:
  - postgres:16
registries: [{server: r.test, username: me, password: "${KEY}"}]
"""
SERVER = 'server: {host: "${HOST}", user: deploy}'
RICH = """\
project: {name: shop, domain: shop.test, email: me@shop.test}
server: shop.test
proxy: {tls: internal, redirects: {www.shop.test: shop.test}}
services:
  - name: web
    build: {context: ., on: server, args: {A: 1}}
    port: 8000
    replicas: 3
    routes: [{path: /}, {host: api.test, path: /v1}]
    health_check: {path: /up, timeout: 2s}
    container: {health_check: {cmd: "true", interval: 5s}}
    env: {A: "1"}
  - {name: mail, image: registry.test/mail:1, port: 25, protocol: tcp, forwards: ["25:25"]}
  - {name: worker, path: src, depends_on: [mail]}
dependencies:
  - redis:7
  - {name: db, image: "postgres:16", ports: [5432], container: {health_check: {cmd: "true"}}}
  - {name: search, build: api, ports: [9200]}
jobs: [{name: nightly, service: web, command: clean, schedule: "0 3 * * *"}]
backups: [{dependency: db, schedule: "0 3 * * *", path: /srv/backups}]
registries: [{server: registry.test, username: me, password: p}]
"""


def files(folder: Path, text: str, **environ: str) -> ProjectFiles:
    """A file with these variables alone."""
    return ProjectFiles(written(folder, text), read_variables(folder, environ))


def problems(read: Callable[[], object]) -> list[str]:
    """Line and sentence of each problem."""
    with pytest.raises(ConfigError) as caught:
        read()
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def test_the_address_needs_the_variables_in_it_alone(folder: Path) -> None:
    """Not the domain where there is a server, nor the server where --server replaces it."""
    project = load_address(files(folder, WANTS, HOST="h.test"))
    assert (project.name, project.server.host, project.server.user) == ("shop", "h.test", "deploy")
    project = load_address(files(folder, WANTS), server=Server(host="other.test"))
    assert (project.name, project.server.host) == ("shop", "other.test")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("", "", ["2: the variable HOST is not set"]),
        (
            "name: shop",
            'name: "${NAME}"',
            ["1: the variable NAME is not set", "2: the variable HOST is not set"],
        ),
        (SERVER, "", ["1: the variable DOMAIN is not set"]),
        (SERVER, 'server: {host: "${HOST:-}"}', ["1: the variable DOMAIN is not set"]),
        (SERVER, 'servers: ["${HOST}"]', ["2: the variable HOST is not set"]),
        (SERVER, 'protected: "${HOST}"\nserver: h', ["2: the variable HOST is not set"]),
    ],
)
def test_a_variable_in_the_address_is_an_error_with_its_place(
    folder: Path, old: str, new: str, found: list[str]
) -> None:
    """The domain is in it where it is the server's address, also behind an empty variable."""
    given = {"DOMAIN": "shop.test"} if old == "" or "NAME" in new else {}
    assert problems(lambda: load_address(files(folder, WANTS.replace(old, new), **given))) == found


def test_names_need_no_other_value(folder: Path) -> None:
    """No env file, no password of a preset, no secret."""
    project = load_parts(files(folder, WANTS), NAMES, server=Server(host="h"))
    assert names_of(project, jobs=False) == ("web", "postgres")


def test_a_value_that_is_needed_is_never_empty_instead(folder: Path) -> None:
    """A status shows the port, and the domain in an address."""
    read = files(folder, WANTS, HOST="h.test")
    assert problems(lambda: load_parts(read, UNITS, server=Server(host="h"))) == [
        "1: the variable DOMAIN is not set",
        "7: the variable PORT is not set",
    ]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("email", "nmae", "1: `nmae` is not a key of project"),
        ("env_file", "replcias", "6: `replcias` is not a key of services[0]"),
    ],
)
def test_a_misspelt_key_may_be_one_that_is_needed(folder: Path, old: str, new: str, found: str) -> None:
    """Its default would be used in its place."""
    read = files(folder, WANTS.replace(old, new), DOMAIN="shop.test", PORT="80")
    assert problems(lambda: load_parts(read, UNITS, server=Server(host="h"))) == [found]


def test_a_status_uses_no_more_than_is_read_for_it(folder: Path, loaded: Load) -> None:
    """What it asks containers and prints of them is the same as by the whole file."""
    whole, parts = loaded(RICH), load_parts(files(folder, RICH), UNITS, server=Server(host="shop.test"))

    def shown(project: Project) -> object:
        services = [(each.name, each.replicas, each.proxied_port) for each in project.services]
        units = [(labels.ROLE_SERVICE, each.name) for each in project.services]
        units += [(labels.ROLE_DEPENDENCY, each.name) for each in project.dependencies]
        specs = [health_spec(project, *unit) for unit in units]
        names = [names_of(project, jobs=jobs) for jobs in (False, True)]
        ports = [each.ports for each in project.dependencies]
        return project.urls, services, specs, names, ports, [each.path for each in project.backups]

    assert shown(parts) == shown(whole)
    assert parts.services[0].env == {}, "nothing else is read"


def test_a_doctor_checks_no_more_than_is_read_for_it(folder: Path, loaded: Load) -> None:
    """Where images are built, registries, domains and ports are the same as by the whole file."""
    whole, parts = loaded(RICH), load_parts(files(folder, RICH), CHECKED, server=Server(host="shop.test"))

    def checked(project: Project) -> object:
        places = [each.build.place for each in project.services if each.build is not None]
        published = [each.published for each in project.services]
        registries = (push_registries(project), pulled_images(project))
        return BuildNeeds.of(project), places, published, registries, site_of(project), project.proxy

    assert checked(parts) == checked(whole)


@pytest.mark.parametrize(
    ("path", "read"),
    [
        (("services",), True),
        (("services", 0, "name"), True),
        (("services", 0, "name", "x"), True),
        (("services", 0, "names"), False),
        (("service",), False),
        (("proxy",), False),
    ],
)
def test_parts_have_what_leads_to_them_and_what_is_below(path: tuple[str | int, ...], read: bool) -> None:
    """A key that only begins like one of them is another one."""
    assert Parts(frozenset({"services.name"})).have(path) is read
    assert Parts().have(path), "no keys: the whole file"
