"""Internal names: a service's name in a project's network leads to its live release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab.load import Target
from tests.e2e.support.proxy import App, ProxyTestbed, running_testbed

from ftl.proxy.site import InternalName

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

NAMES = (
    InternalName("web", 8000),
    InternalName("web2", 8000),
    InternalName("plain", 80),
    InternalName("solo", 9000),
)


@pytest.fixture(scope="module")
def two(proxy_image: str) -> Iterator[tuple[ProxyTestbed, dict[str, App]]]:
    """Two projects with the same services and ports; only the first has a public route."""
    with running_testbed() as testbed:
        apps = {}
        for name in ("one", "two"):
            project = testbed.project(name)
            for service, port in (("web", 8000), ("web2", 8000), ("plain", 80), ("solo", 9000)):
                apps[f"{name}/{service}"] = testbed.do(testbed.app(project, service, "r1", ports=(port,)))
            testbed.do(
                testbed.serve(
                    project,
                    host="one.test",
                    services=[each.service for each in NAMES],
                    internal=NAMES,
                    routes=None if name == "one" else (),
                )
            )
            testbed.do(testbed.go_live(project, web="r1", web2="r1", plain="r1", solo="r1"))
        yield testbed, apps


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize(("service", "port"), [("web", 8000), ("web2", 8000), ("plain", 80), ("solo", 9000)])
def test_a_name_reaches_the_callers_own_project(
    two: tuple[ProxyTestbed, dict[str, App]], name: str, service: str, port: int
) -> None:
    """The same name and port lead each caller to its project."""
    testbed, apps = two
    seen = testbed.do(testbed.call(apps[f"{name}/web"], service, port))
    assert seen["failed"] == 0, seen
    assert set(seen["versions"]) == {f"{testbed.project(name)}/{service}/r1/1"}


def test_any_host_header_is_accepted_where_there_is_one_service(
    two: tuple[ProxyTestbed, dict[str, App]],
) -> None:
    """A port with one service ignores the Host header; one with several, and port 80, need it."""
    testbed, apps = two
    inside = testbed.do(testbed.engine.container(testbed.names.container))
    assert inside is not None
    address = next(each.address for each in inside.endpoints if each.network.endswith(testbed.project("two")))
    assert testbed.do(testbed.fetch(apps["two/web"], address, 9000, "odd.name"))[0] == 200
    assert testbed.do(testbed.fetch(apps["two/web"], address, 8000, "odd.name"))[0] == 404
    assert testbed.do(testbed.fetch(apps["two/web"], address, 80, "odd.name"))[0] == 404


def test_a_name_is_not_served_in_public(two: tuple[ProxyTestbed, dict[str, App]]) -> None:
    """A public request for a service's internal name gets 404, on every port of the proxy."""
    testbed, _ = two
    assert testbed.do(testbed.get("plain"))[0] == 404
    assert testbed.do(testbed.get("web"))[0] == 404
    inside = testbed.do(testbed.engine.container(testbed.names.container))
    assert inside is not None
    edge = next(each.address for each in inside.endpoints if each.network == testbed.names.network)
    for host, port in (("plain", 80), ("web", 8000), ("solo", 9000)):
        assert testbed.do(testbed.ask(Target(edge, port, host)))[0] == 404


def test_a_service_may_use_the_admin_apis_port(two: tuple[ProxyTestbed, dict[str, App]]) -> None:
    """A service on port 2019 is reached by name like any other, and the admin API still works."""
    testbed, apps = two
    project = testbed.project("three")
    app = testbed.do(testbed.app(project, "odd", "r1", ports=(2019,)))
    testbed.do(testbed.serve(project, services=["odd"], port=2019, routes=()))
    testbed.do(testbed.go_live(project, odd="r1"))
    assert testbed.do(testbed.call(app, "odd", 2019))["failed"] == 0
    assert testbed.do(testbed.proxy.in_flight()) is not None
    status, _ = testbed.do(testbed.fetch(apps["one/web"], "web", 2019, "127.0.0.1:2019"))
    assert status == 404
    testbed.do(testbed.proxy.remove_routes(project))


def test_release_aliases_are_never_looked_up_outside(two: tuple[ProxyTestbed, dict[str, App]]) -> None:
    """The proxy's resolver has the option by which Docker answers one-label names itself (decision 3)."""
    testbed, _ = two
    done = testbed.do(testbed.engine.execute(testbed.names.container, ["cat", "/etc/resolv.conf"]))
    assert "ndots:1" in done.stdout.decode()


def test_no_container_reaches_the_admin_api(two: tuple[ProxyTestbed, dict[str, App]]) -> None:
    """Caddy's admin API listens only on the proxy's loopback."""
    testbed, apps = two
    status, error = testbed.do(testbed.fetch(apps["one/web"], "web", 2019, "127.0.0.1:2019"))
    assert status == 0, error
    assert "refused" in error
