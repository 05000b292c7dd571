"""Status again and again: what units use, and lost connections."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from ftl.cli.views.status_table import put_sample, table_lines
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ContainerStats, ExecResult
from ftl.errors import EngineUnavailable
from ftl.events import Event, Note
from ftl.host.session import Session
from ftl.operations.views.servers import ServerStatus
from ftl.operations.views.status import Status
from ftl.operations.views.status_stream import SAMPLE_SECONDS, StatusSample, Usage, follow_status, usage_of
from ftl.operations.views.units import Unit
from ftl.proxy.access import RequestFigures
from ftl.proxy.names import ProxyNames
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import project, service
from tests.unit.operations.stage import add

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.config.models.project import Project

WORKER = project(service("worker", port=None, routes=()))
WEB = project(service("web"))
GB = 1 << 30


def unit(*containers: str) -> Unit:
    """A worker with these containers."""
    return Unit(
        "worker",
        "service",
        "r1",
        True,
        len(containers),
        2,
        "shop-worker:r1",
        True,
        "healthy",
        "2026-01-31T09:00:00.5Z",
        (),
        3,
        containers,
    )


def test_use_is_the_sum_of_the_containers() -> None:
    """Processor time by the machine's own clock, between two samples; one that is new has one sample only."""
    before = {"a": ContainerStats(10.0, 5.0, 0, GB)}
    samples = {"a": ContainerStats(12.0, 6.0, 100, GB), "b": ContainerStats(12.0, 50.0, 200, GB)}
    assert usage_of(unit("a", "b"), samples, before) == Usage(0.5, 300, 2 * GB)
    assert usage_of(unit("b"), samples, before) == Usage(None, 200, GB)
    assert usage_of(unit("gone"), samples, before) is None


@pytest.mark.parametrize("units", [(), ("a",)])
def test_each_look_as_json_has_the_fields_of_a_status(
    units: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also whether the project is deployed, as `ftl status --json`."""
    own = tuple(unit(name) for name in units)
    put_sample(StatusSample(Status("shop", "server", "28.5.2", None, own), (None,) * len(own)))
    printed = json.loads(capsys.readouterr().out)
    assert (printed["type"], printed["deployed"]) == ("status", bool(units))
    assert {field.name for field in fields(Status)} - {"now", "by_address"} <= printed.keys()


@pytest.mark.parametrize(("machine", "limit"), [(2 * GB, None), (8 * GB, 2 * GB)])
def test_the_machines_memory_is_no_limit(machine: int, limit: int | None) -> None:
    """The engine says so for a container without a limit."""

    async def work() -> StatusSample:
        engine = FakeEngine(info=replace(INFO, memory=machine))
        await add(engine, "shop-worker-r1", "worker")
        return (await watched(engine, 1))[0][0]

    (usage,) = run(work()).usage
    assert usage is not None
    assert usage.memory_limit == limit


def test_a_restarted_container_keeps_nothing_busy_backwards() -> None:
    """Its processor time begins again."""
    before = {"a": ContainerStats(10.0, 50.0, 0, GB)}
    usage = usage_of(unit("a"), {"a": ContainerStats(12.0, 1.0, 100, GB)}, before)
    assert usage is not None
    assert usage.cpu == 0


async def watched(
    engine: FakeEngine, seconds: float, asked: Project = WORKER
) -> tuple[list[StatusSample], list[Event], int]:
    """Looks, events, and connections in this time."""
    ticks: list[StatusSample] = []
    events: list[Event] = []
    connections = 0

    @asynccontextmanager
    async def connect() -> AsyncIterator[Session]:
        nonlocal connections
        connections += 1
        yield Session("shop.example.com", FakeMachine(), engine, await engine.info())

    task = asyncio.ensure_future(follow_status(asked, connect, ticks.append, events.append))
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait({task})
    return ticks, events, connections


def test_looks_come_again_and_again() -> None:
    """From the second one on with the use of the processor."""

    async def work() -> tuple[list[StatusSample], list[Event], int]:
        engine = FakeEngine()
        await add(engine, "shop-worker-r1", "worker")
        return await watched(engine, 2.5 * SAMPLE_SECONDS)

    ticks, events, connections = run(work())
    assert (len(ticks), events, connections) == (3, [], 1)
    assert [tick.usage[0].cpu if tick.usage[0] else None for tick in ticks] == [None, 0.5, 0.5]


def test_a_lost_connection_is_made_again() -> None:
    """One that fails at first is an error."""

    async def work(number: int) -> tuple[list[StatusSample], list[Event], int]:
        engine = FakeEngine()
        await add(engine, "shop-worker-r1", "worker")
        engine.fail("stats", EngineUnavailable("lost"), number=number)
        return await watched(engine, 10)

    ticks, events, connections = run(work(2))
    assert len(ticks) >= 2
    assert connections == 2
    assert [event.text for event in events if isinstance(event, Note)] == [
        "connection lost (lost); trying again in 1 s",
        "connected to shop.example.com again",
    ]
    with pytest.raises(EngineUnavailable):
        run(work(1))


def test_the_table() -> None:
    """Processor as part of one, memory against its limit."""

    async def work() -> StatusSample:
        engine = FakeEngine()
        await add(engine, "shop-worker-r1", "worker")
        return (await watched(engine, 1))[0][0]

    tick = run(work())
    shown = StatusSample(tick.status, (Usage(1.5, 50_000_000, 512 << 20),))
    _, _, header, row = table_lines(shown, width=None)
    assert header.split() == [
        "SERVICE",
        "RELEASE",
        "REPLICAS",
        "HEALTH",
        "CPU",
        "MEMORY",
        "REQ/S",
        "ERRORS",
        "P95",
        "RESTARTS",
        "SINCE",
    ]
    assert "150%  50.0 MB / 512M" in row


def test_requests_are_the_live_releases() -> None:
    """By service, where the proxy knows some; a dependency, and a release that is not live, have none."""
    figures = RequestFigures(rate=41.25, errors=0.002, p95=0.18)
    web = replace(unit("a"), name="web")
    units = (web, replace(web, live=False), replace(web, name="db", kind="dependency"))
    shown = StatusSample(
        Status("shop", "server", "28.5", "r1", units), (None,) * 3, {"web": figures, "db": figures}
    )
    assert [shown.requests_of(one) for one in units] == [figures, None, None]
    rows = table_lines(shown, width=None)[3:]
    assert ["41.2   0.2%" in row for row in rows] == [True, False, False]


def test_figures_come_from_the_proxy() -> None:
    """In each look; one that does not answer leaves the look without them."""

    async def work(answer: ExecResult) -> list[StatusSample]:
        engine = FakeEngine(images=["caddy:2"])
        await add(engine, "shop-web-r1", "web")
        await engine.create(ProxyNames().container, ContainerSpec("caddy:2", {}))
        await engine.start(ProxyNames().container)
        engine.on_execute = lambda _name, _argv: answer
        return (await watched(engine, 1, WEB))[0]

    ticks = run(work(ExecResult(0, b"10\nweb 0 20 30\n", b"")))
    assert ticks[0].requests["web"].rate == 3.0
    assert run(work(ExecResult(1, b"", b"no awk")))[0].requests == {}


def test_the_table_of_several_servers() -> None:
    """Each row names its servers, and the servers stand below, those that are down, too."""
    servers = (ServerStatus("a", "ready", manager=True, proxy="up", tasks=2), ServerStatus("b", "down"))
    status = Status("shop", "a", "28.5", "r1", (replace(unit("x"), server="a, c"),), servers=servers)
    _, _, header, row, _, *below = table_lines(StatusSample(status, (None,)), width=None)
    assert header.split()[-1] == "SERVER"
    assert row.endswith("a, c")
    assert [line.split() for line in below] == [
        ["SERVER", "STATE", "PROXY", "RUNNING", "MANAGER"],
        ["a", "ready", "up", "2", "yes"],
        ["b", "down", "-", "0", "-"],
    ]
