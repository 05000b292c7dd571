"""Rows of the status: releases, the proxy, runs, ports, restarts, what left ftl.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.engine import labels
from ftl.engine.specs import Publish
from ftl.engine.tarball import tar_archive
from ftl.operations.views.container_health import ContainerHealth
from ftl.operations.views.units import DOUBLED, UNREACHED, units_of
from ftl.proxy.names import release_alias
from ftl.releases.store import ensure_store, write_record
from tests.support.clock import run
from tests.unit.deploy.cluster import cluster, dependency_on, observed
from tests.unit.deploy.world import project, record
from tests.unit.operations.stage import add
from tests.unit.operations.views.status_stage import DB, WEB, WORKER, Server

if TYPE_CHECKING:
    from ftl.engine.values import Container


def test_containers_of_another_release_have_a_separate_row() -> None:
    """The live one is the last that a record calls live; the others are left over, or being started."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await server.web("shop-web-r2", "r2")
            await ensure_store(server.engine, "shop-web:r1")
            await write_record(server.engine, "shop", record("r1", "live", web="r1"))
            await write_record(server.engine, "shop", record("r2", "started", web="r2"))
            found = await server.status(project(replace(WEB, replicas=1)))
        assert found.release == "r1"
        assert [(unit.release, unit.live, unit.wanted) for unit in found.units if unit.name == "web"] == [
            ("r1", True, 1),
            ("r2", False, 0),
        ]

    run(work())


def test_containers_of_a_scale_that_was_killed_are_not_live() -> None:
    """They are healthy and of the live release, and the proxy sends them nothing."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            more = {labels.ADDED: "1", labels.REPLICA: "2"}
            await add(server.engine, "shop-web-r1-2", "web", more=more)
            await server.proxy(release_alias("shop", "web", "r1").encode())
            found = await server.status(project(replace(WEB, replicas=1)))
        rows = [
            (unit.release, unit.live, unit.running, unit.wanted) for unit in found.units if unit.name == "web"
        ]
        assert rows == [("r1", True, 1, 1), ("r1", False, 1, 0)]

    run(work())


def test_without_the_proxy_nobody_can_reach_the_site() -> None:
    """Services may be healthy: the proxy has a row of its own. Workers need none."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await add(server.engine, "shop-worker-r1", "worker")
            units = await server.units(project(replace(WEB, replicas=1), WORKER))
            proxy = units["proxy", None]
            assert (proxy.kind, proxy.running, proxy.wanted, proxy.healthy) == ("proxy", 0, 1, False)
            assert proxy.health == "missing: nobody can reach the site"
            assert ("proxy", None) not in await server.units(project(WORKER))

    run(work())


@pytest.mark.parametrize("live", [b"", b"r9-other-12345678\n"])
def test_a_live_file_that_leads_nowhere_is_told(live: bytes) -> None:
    """The containers answer, and requests do not reach them."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await server.proxy(live)
            units = await server.units(project(replace(WEB, replicas=1)))
            web = units["web", "r1"]
            assert (web.healthy, web.health) == (False, UNREACHED)
            assert units["proxy", None].healthy
            alias = release_alias("shop", "web", "r1").encode()
            await server.engine.put_archive("ftl-proxy", "/config", tar_archive({"live/shop.web": alias}))
            assert (await server.units(project(replace(WEB, replicas=1))))["web", "r1"].healthy

    run(work())


def test_commands_of_ftl_run_are_listed() -> None:
    """Each by its container, with its release; they are nothing that is deployed."""

    async def work() -> None:
        async with Server() as server:
            await add(
                server.engine,
                "shop-web-run-1a2b",
                "web",
                role=labels.ROLE_RUN,
                more={labels.RELEASE: "r3"},
            )
            found = await server.status(project(WORKER))
        assert not found.deployed
        unit = found.units[-1]
        assert (unit.name, unit.kind, unit.release, unit.health) == ("web-run-1a2b", "run", "r3", "healthy")

    run(work())


def test_restarts_are_counted() -> None:
    """Of all containers of a unit."""

    async def work() -> None:
        async with Server() as server:
            await add(server.engine, "shop-worker-r1-1", "worker")
            await add(server.engine, "shop-worker-r1-2", "worker")
            for name, count in (("shop-worker-r1-1", 2), ("shop-worker-r1-2", 3)):
                server.engine.by_name[name].restarts = count
            units = await server.units(project(WORKER))
        assert units["worker", "r1"].restarts == 5

    run(work())


@pytest.mark.parametrize(
    ("policy", "wanted", "returns"),
    [("no", "always", False), ("always", "always", True), ("no", "no", True), ("no", None, False)],
)
def test_what_a_reboot_would_not_start_is_told(policy: str, wanted: str | None, returns: bool) -> None:
    """The policy is that of ftl.yaml, by its label; containers of 0.1.0 have none, and shall come back."""

    async def work() -> None:
        async with Server() as server:
            label = {labels.RESTART: wanted} if wanted is not None else {}
            await add(server.engine, "shop-worker-r1", "worker", more=label)
            await add(server.engine, "shop-worker-run-1", "worker", role=labels.ROLE_RUN)
            container = server.engine.by_name["shop-worker-r1"]
            container.spec = replace(container.spec, restart=policy)
            found = await server.status(project(WORKER))
            assert found.lost == (() if returns else ("worker",))
            assert not found.broke_off
            await server.engine.stop("shop-worker-r1", timeout=1.0)
            assert (await server.status(project(WORKER))).lost == ()

    run(work())


def test_what_the_file_no_longer_names_is_shown() -> None:
    """Services and dependencies: they run until the next deploy."""

    async def work() -> None:
        async with Server() as server:
            await add(server.engine, "shop-old-r1", "old")
            await add(server.engine, "shop-cache", "cache", role=labels.ROLE_DEPENDENCY, image="redis:7")
            units = await server.units(project(WORKER))
        old, cache = units["old", "r1"], units["cache", None]
        assert (old.live, old.wanted, old.running, old.healthy) == (True, 0, 1, True)
        assert (cache.kind, cache.live, cache.wanted, cache.image) == ("dependency", False, 0, "redis:7")

    run(work())


@pytest.mark.parametrize(
    ("published", "ports"),
    [
        ((), ("5432",)),
        ((Publish(5432, 49153, "127.0.0.1"),), ("127.0.0.1:49153->5432",)),
        ((Publish(5432, 5432),), ("5432->5432",)),
        ((Publish(5432, 0),), ("5432",)),
        ((Publish(53, 53, "", "udp"),), ("5432", "53->53/udp")),
    ],
)
def test_ports_of_the_server_are_shown(published: tuple[Publish, ...], ports: tuple[str, ...]) -> None:
    """Where the server listens itself, with the address; else the port inside."""

    async def work() -> None:
        async with Server() as server:
            await add(
                server.engine,
                "shop-db",
                "db",
                role=labels.ROLE_DEPENDENCY,
                image="postgres:16",
                publish=published,
            )
            units = await server.units(project(WORKER, dependencies=(DB,)))
        assert units["db", None].ports == ports

    run(work())


def test_another_projects_containers_are_not_shown() -> None:
    """Nor hooks."""

    async def work() -> None:
        async with Server() as server:
            await add(server.engine, "blog-web-r1", "web", more={labels.PROJECT: "blog"})
            await add(server.engine, "shop-web-hook", "web", role=labels.ROLE_HOOK)
            found = await server.status(project(WEB))
        assert not found.deployed
        assert [unit.name for unit in found.units] == ["web"]

    run(work())


def test_a_dependency_on_two_servers_is_a_problem() -> None:
    """Both answer to its name, though each is healthy by itself."""
    asked = cluster(dependencies=(DB,))
    one = dependency_on(asked, "db")
    two = replace(one, id="other", created=1)
    healthy = ContainerHealth(True, True, "healthy", "2026-01-01T00:00:00Z")
    cases: tuple[tuple[dict[str, tuple[Container, ...]], tuple[object, ...]], ...] = (
        ({"b": (one,)}, (True, "healthy", "b", 1)),
        ({"a": (one,), "b": (two,)}, (False, DOUBLED, "b, a", 2)),
    )
    for on, expected in cases:
        seen = observed(asked, live="r1", on=on, ready=False)
        (unit,) = (
            unit
            for unit in units_of(asked, seen, {"other": healthy, one.id: healthy})
            if unit.kind == "dependency"
        )
        assert (unit.healthy, unit.health, unit.server, unit.running) == expected


@pytest.mark.parametrize(
    ("asked", "replicas", "scaled"), [(1, "2/2", True), (2, "2/2", False), (3, "2/2", True)]
)
def test_a_service_with_another_number_than_ftl_yaml_says(asked: int, replicas: str, scaled: bool) -> None:
    """After `ftl scale` all that there should be run, and 2/1 or 2/3 would look like a fault."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            await server.web("shop-web-r1-2")
            await ensure_store(server.engine, "shop-web:r1")
            await write_record(server.engine, "shop", record("r1", "live", web="r1"))
            units = await server.units(project(replace(WEB, replicas=asked)))
        found = units["web", "r1"]
        assert (found.running, found.wanted, found.replicas, found.is_scaled) == (2, asked, replicas, scaled)

    run(work())
