"""Switching traffic to another release under load, with a real Caddy."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from lab.load import Load, Request
from lab.streams import Stream, hold
from tests.e2e.support.proxy import ProxyTestbed, each_engine, make_testbed

from ftl.events import Draining, Event
from ftl.proxy.drain import wait_drained
from ftl.proxy.names import release_alias
from ftl.proxy.site import SiteRoute, Transition

pytestmark = pytest.mark.engine


SWITCHES = int(os.environ.get("FTL_TEST_SWITCHES", "4"))
"""Number of switches; `FTL_TEST_SWITCHES=20` makes a longer test."""

HOST = "shop.test"
REQUESTS = (Request("GET", "/"), Request("POST", "/", b"a body"))


@each_engine
def test_switches_lose_nothing(proxy_image: str, suite: str, request: pytest.FixtureRequest) -> None:
    """Releases change while clients that never retry use the proxy in every way.

    Public requests, calls by name, WebSockets, event streams and slow requests.
    """
    asyncio.run(_switches(make_testbed(suite, request)))


async def _switches(unopened: ProxyTestbed) -> None:
    async with unopened as testbed:
        project = testbed.project("shop")
        old = await testbed.app(project, "web", "r1")
        caller = await testbed.app(project, "caller", "r1")
        await testbed.serve(project, host=HOST)
        await testbed.go_live(project, web="r1")
        target = await testbed.target(HOST)
        streams: list[Stream] = []
        async with asyncio.TaskGroup() as group:
            inside = group.create_task(testbed.call(caller, "web", 8000, seconds=200, clients=4))
            with Load(target, REQUESTS, clients=16, pause=0.005) as load:
                slow = []
                for number in range(2, SWITCHES + 2):
                    pair = [Stream("socket"), Stream("events")]
                    for stream in pair:
                        group.create_task(hold(target, stream))
                        await stream.opened.wait()
                    streams += pair
                    slow.append(group.create_task(testbed.ask(target, "/slow?1.5")))
                    await asyncio.sleep(0.2)
                    new = await testbed.app(project, "web", f"r{number}")
                    await testbed.go_live(project, web=f"r{number}")
                    left = await wait_drained(testbed.proxy.in_flight, [old.address], 2.5)
                    assert left == {f"{old.address}:8000": 2}, "other than the two streams"
                    assert [stream.clean for stream in pair] == [None, None], "a stream has ended"
                    await testbed.engine.stop(old.container, timeout=5)
                    await testbed.engine.remove(old.container)
                    old = new
                    assert (await testbed.get(HOST))[1]["version"] == f"{project}/web/r{number}/1"
            await testbed.end_call(caller)
        assert load.tally.failed == 0, load.tally.reasons
        assert load.tally.connections == 16
        assert load.tally.requests > 200 * SWITCHES
        assert inside.result()["failed"] == 0, inside.result()
        assert len(inside.result()["versions"]) == SWITCHES + 1, "a release was never reached"
        assert [task.result()[0] for task in slow] == [200] * SWITCHES
        assert [stream.clean for stream in streams] == [True] * len(streams)
        print(f"{SWITCHES} switches: {load.tally}, by name: {inside.result()}")


def test_a_drain_ends_with_the_last_request(proxy_image: str) -> None:
    """Requests in flight on the old release are waited for and counted; then the drain ends before its timeout."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project = testbed.project("shop")
            old = await testbed.app(project, "web", "r1")
            await testbed.app(project, "web", "r2")
            await testbed.serve(project, host=HOST)
            await testbed.go_live(project, web="r1")
            events: list[Event] = []
            slow = asyncio.create_task(testbed.get(HOST, "/slow?3"))
            await _until(lambda: testbed.proxy.in_flight(), {f"{old.address}:8000": 1})
            await testbed.go_live(project, web="r2")
            left = await wait_drained(
                testbed.proxy.in_flight, [old.address], 60, events.append, service="web"
            )
            assert left == {}
            assert (await asyncio.wait_for(slow, 1))[1]["version"].endswith("/r1/1")
            assert events == [Draining("web", 1), Draining("web", 0)]

    asyncio.run(work())


def test_replicas_share_the_load_and_one_may_fail(proxy_image: str) -> None:
    """All replicas of a release answer; when one is removed, the others do, and no request is lost."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project = testbed.project("shop")
            replicas = [await testbed.app(project, "web", "r1", replica=number) for number in (1, 2, 3)]
            await testbed.serve(project, host=HOST)
            await testbed.go_live(project, web="r1")
            seen: set[bytes] = set()
            target = await testbed.target(HOST)
            with Load(target, [Request("GET", "/")], clients=8, saw=lambda _, body: seen.add(body)) as load:
                await asyncio.sleep(1)
                await testbed.engine.remove(replicas[0].container, force=True)
                await asyncio.sleep(2)
            assert load.tally.failed == 0, load.tally.reasons
            assert len(seen) == 3

    asyncio.run(work())


def test_an_interrupted_switch_is_complete_or_did_not_happen(proxy_image: str) -> None:
    """If its caller is interrupted at any time, a switch of ten services leaves all on one release."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project = testbed.project("shop")
            services = [f"s{number}" for number in range(10)]
            await testbed.proxy.switch(
                project, {service: release_alias(project, service, "r1") for service in services}
            )
            seen = set()
            for number, delay in enumerate((0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08), start=2):
                aliases = {service: release_alias(project, service, f"r{number}") for service in services}
                task = asyncio.create_task(testbed.proxy.switch(project, aliases))
                await asyncio.sleep(delay)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await asyncio.sleep(0.5)
                state = await testbed.proxy.observe()
                assert state is not None
                releases = {alias.partition("-")[0] for alias in state.live.values()}
                assert len(state.live) == 10
                assert len(releases) == 1, releases
                seen |= releases
            print(f"releases seen: {sorted(seen)}")

    asyncio.run(work())


def test_routes_change_with_the_release_that_answers_them(proxy_image: str) -> None:
    """Two services exchange paths, and a prefix is no longer stripped: each request meets one release's routes, whole.

    Also when nothing follows the switch, as after a kill.
    """

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project = testbed.project("shop")
            for service in ("api", "web"):
                await testbed.app(project, service, "r1")
                await testbed.app(project, service, "r2")
            old = (SiteRoute(HOST, "/api", True, "api", 8000), SiteRoute(HOST, "/", False, "web", 8000))
            new = (SiteRoute(HOST, "/api", False, "web", 8000), SiteRoute(HOST, "/", False, "api", 8000))
            site = await testbed.serve(project, services=["api", "web"], routes=old)
            await testbed.go_live(project, api="r1", web="r1")
            answers: Counter[str] = Counter()

            def saw(request: Request, body: bytes) -> None:
                answer = json.loads(body)
                release = "/".join(answer["version"].split("/")[1:3])
                answers[f"{request.path} -> {release} {answer['path']}"] += 1

            requests = [Request("GET", "/api/x"), Request("POST", "/y", b"a body")]
            with Load(await testbed.target(HOST), requests, clients=16, pause=0.005, saw=saw) as load:
                await asyncio.sleep(0.5)
                transition = Transition(
                    "web",
                    before={name: release_alias(project, name, "r1") for name in ("api", "web")},
                    after={name: release_alias(project, name, "r2") for name in ("api", "web")},
                    routes=old,
                    internal=site.internal,
                )
                await testbed.proxy.apply(replace(site, routes=new, transition=transition))
                await asyncio.sleep(0.5)
                assert not any("r2" in answer for answer in answers), "the new routes came before the switch"
                await testbed.go_live(project, api="r2", web="r2")
                await asyncio.sleep(0.1)
                switched = Counter(answers)
                await asyncio.sleep(1)
                await testbed.proxy.apply(replace(site, routes=new))
                await asyncio.sleep(0.5)
            late = answers - switched
            assert load.tally.failed == 0, load.tally.reasons
            assert set(answers) == {
                "/api/x -> api/r1 /x",
                "/y -> web/r1 /y",
                "/api/x -> web/r2 /api/x",
                "/y -> api/r2 /y",
            }
            assert set(late) == {"/api/x -> web/r2 /api/x", "/y -> api/r2 /y"}
            print(load.tally, answers)

    asyncio.run(work())


async def _until(ask: Any, expected: object) -> None:
    for _ in range(50):
        if await ask() == expected:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never {expected}")
