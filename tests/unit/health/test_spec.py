"""Health specs derived from ftl.yaml."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import (
    ContainerHealthCheck,
    ContainerOptions,
    Dependency,
    HealthCheck,
    ProjectInfo,
    Proxy,
    Route,
)
from ftl.engine.convert import inspected_container
from ftl.health.spec import HealthSpec, dependency_health, service_health
from tests.unit.deploy.world import project, service


@pytest.mark.parametrize(
    ("routes", "host"),
    [((), "web"), ((Route(),), "shop.example.com"), ((Route(host="www.example.com"),), "www.example.com")],
)
def test_an_app_is_asked_by_the_name_its_visitors_use(routes: tuple[Route, ...], host: str) -> None:
    """Public services are asked for a public name, inner ones for their own."""
    asked = project(service(routes=routes))
    assert service_health(asked, asked.services[0]).host == host


@pytest.mark.parametrize(("tls", "https"), [("auto", True), ("internal", True), ("off", False)])
def test_an_app_that_will_be_served_by_https_is_told_so(tls: str, https: bool) -> None:
    """Apps that redirect plain HTTP are asked as the proxy will ask them."""
    asked = replace(project(), proxy=Proxy(tls=tls))  # type: ignore[arg-type]
    assert service_health(asked, asked.services[0]).https is https


@pytest.mark.parametrize("check", [None, HealthCheck(path="/up")])
def test_only_what_the_proxy_asks_over_http_may_get_requests_early(check: HealthCheck | None) -> None:
    """A worker and a service with `protocol: tcp` settle first: nothing says that they work."""
    made = {
        name: service_health(project(one), one).early
        for name, one in {
            "web": service(health_check=check),
            "tcp": service(protocol="tcp", routes=()),
            "worker": service(port=None, routes=()),
        }.items()
    }
    assert made == {"web": True, "tcp": False, "worker": False}


def test_retries_and_start_period_make_the_allowance() -> None:
    """The wait lasts as long as the check's numbers say."""
    asked = project(service(health_check=HealthCheck(path="/up", interval=2, retries=5, start_period=7)))
    assert service_health(asked, asked.services[0]).allowance == 17


def test_dockers_own_check_is_asked_only_where_the_file_sets_one() -> None:
    """An image's HEALTHCHECK, whose first answer may take half a minute, holds up no deploy."""
    plain, set_here = (
        project(),
        project(
            service(
                container=ContainerOptions(
                    health_check=ContainerHealthCheck(cmd="true", interval=10, timeout=5, retries=3)
                )
            )
        ),
    )
    assert service_health(plain, plain.services[0]).docker_check is None
    assert service_health(set_here, set_here.services[0]).allowance == 30 + 60


def test_the_images_own_check_prolongs_the_wait_for_a_dependency() -> None:
    """By its settings, which the container alone tells."""
    inspected = inspected_container(
        {"Config": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000}}}
    )
    spec = dependency_health(Dependency(name="db", image="x", ports=(1,)))
    assert spec.allowance_of(inspected) == spec.allowance + (5 + 30) * 4
    assert HealthSpec().allowance_of(inspected) == HealthSpec().allowance


def test_a_service_without_a_port_must_keep_running() -> None:
    """There is nothing to ask a worker."""
    worker = replace(project(service(port=None, routes=())), project=ProjectInfo(name="shop"))
    assert service_health(worker, worker.services[0]).ports == ()
