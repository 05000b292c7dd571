"""Finishing a replacement of the proxy that was interrupted anywhere."""

from __future__ import annotations

import asyncio

import pytest

from ftl.engine import labels
from ftl.engine.specs import ContainerSpec, Publish
from ftl.engine.values import Mount
from ftl.errors import LockTaken, ServerError
from ftl.proxy.lifecycle.interrupted import finish_upgrade
from ftl.proxy.names import ProxyNames
from ftl.proxy.state import observe
from tests.support import clock
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

NAMES = ProxyNames()
IMAGE = "caddy:2"


def spec(*, read_only: bool = False, volume: str = NAMES.config_volume) -> ContainerSpec:
    """A container of a proxy; with `read_only` it is one that validates the configuration."""
    ports = () if read_only else (Publish(80, 80),)
    mounts = (Mount(volume, "/config", read_only=read_only),)
    return ContainerSpec(IMAGE, {labels.ROLE: labels.ROLE_PROXY}, mounts=mounts, publish=ports)


def machine() -> FakeMachine:
    """A server on which nobody replaces the proxy."""
    there = FakeMachine()
    there.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"mine\n", stays=True))
    return there


async def server(**states: str) -> FakeEngine:
    """A server with these containers, the oldest first; `_` in a name stands for `-`."""
    engine = FakeEngine(images=[IMAGE])
    for key, state in states.items():
        name = key.replace("_", "-")
        await engine.create(name, spec(read_only=name.endswith("-check")))
        if state == "running":
            await engine.start(name)
        elif state == "exited":
            engine.by_name[name].state = "exited"
    return engine


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ({"ftl_proxy": "running"}, 1),
        ({"ftl_proxy": "exited"}, 1),
        # before the script: the successor exists, or the configuration is being validated
        ({"ftl_proxy": "running", "ftl_proxy_new": "created"}, 1),
        ({"ftl_proxy": "running", "ftl_proxy_check": "exited"}, 1),
        # in the script: renamed once, renamed twice, the old one stopped, the new one started
        ({"ftl_proxy_old": "running", "ftl_proxy_new": "created"}, 1),
        ({"ftl_proxy_old": "running", "ftl_proxy": "created"}, 1),
        ({"ftl_proxy_old": "exited", "ftl_proxy": "created"}, 2),
        ({"ftl_proxy_old": "exited", "ftl_proxy": "running"}, 2),
        # going back: the new one has failed
        ({"ftl_proxy": "exited", "ftl_proxy_failed": "exited"}, 1),
        ({"ftl_proxy_old": "exited", "ftl_proxy_failed": "exited"}, 2),
    ],
)
def test_one_proxy_is_left_under_its_name(states: dict[str, str], kept: int) -> None:
    """A proxy that runs is kept, else the one with the name; the others go, wherever the upgrade was interrupted."""

    async def work() -> None:
        engine = await server(**states)
        expected = list(engine.by_name.values())[kept - 1]
        await finish_upgrade(engine, machine(), NAMES)
        assert engine.by_name == {NAMES.container: expected}
        if len(states) > 1:
            assert engine.by_name[NAMES.container].state == "running"

    clock.run(work())


def test_a_replacement_that_is_under_way_is_waited_for() -> None:
    """The server finishes by itself: nothing is touched as long as it may."""

    async def work() -> None:
        engine = await server(ftl_proxy_old="running", ftl_proxy="created")

        there = machine()

        async def script() -> None:
            """It takes longer than an engine that is slow would explain."""
            await asyncio.sleep(90)
            await engine.remove("ftl-proxy-old", force=True)
            await engine.start("ftl-proxy")
            there.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"mine\n", stays=True))

        there.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"goes-on the server\n"))
        async with asyncio.TaskGroup() as group:
            group.create_task(script())
            await finish_upgrade(engine, there, NAMES)
            assert engine.by_name.keys() == {"ftl-proxy"}
            assert not any(call.startswith("rename") for call in engine.calls)

    clock.run(work())


@pytest.mark.parametrize(
    ("seconds", "states"),
    [
        (4, {"ftl_proxy": "running", "ftl_proxy_check": "running", "ftl_proxy_new": "created"}),
        (18, {"ftl_proxy_old": "exited", "ftl_proxy": "created"}),
    ],
)
def test_ftl_0_1_0_has_some_seconds_to_finish(seconds: int, states: dict[str, str]) -> None:
    """It has no lock of the proxy."""

    async def work() -> None:
        engine = await server(**states)
        engine.calls.clear()

        async def script() -> None:
            await asyncio.sleep(seconds)
            assert engine.calls == []
            for name in [name for name in engine.by_name if name != "ftl-proxy"]:
                await engine.remove(name, force=True)
            await engine.start("ftl-proxy")
            engine.calls.clear()

        async with asyncio.TaskGroup() as group:
            group.create_task(script())
            await finish_upgrade(engine, machine(), NAMES)
        assert engine.by_name.keys() == {"ftl-proxy"}
        assert engine.calls == []

    clock.run(work())


def test_without_the_lock_nothing_is_finished() -> None:
    """Another one may have it by now."""

    async def work() -> None:
        engine = await server(ftl_proxy_old="running", ftl_proxy="created")
        there = machine()
        finishing = asyncio.create_task(finish_upgrade(engine, there, NAMES))
        await asyncio.sleep(2)
        there.processes[-1].kill()
        with pytest.raises(ServerError, match=r"the lock of the proxy on shop\.example\.com was lost"):
            await finishing
        assert engine.by_name.keys() == {"ftl-proxy-old", "ftl-proxy"}

    clock.run(work())


def test_a_validation_that_is_under_way_is_left_alone() -> None:
    """Another project's `--upgrade-proxy`: while it has the lock of the proxy, nothing of its is removed."""

    async def work() -> None:
        engine = await server(ftl_proxy="running", ftl_proxy_check="running", ftl_proxy_new="created")
        there = machine()
        there.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"held a deploy\n"))
        with pytest.raises(LockTaken, match=r"the proxy on shop\.example\.com has been locked by a deploy"):
            await finish_upgrade(engine, there, NAMES)
        assert engine.by_name.keys() == {"ftl-proxy", "ftl-proxy-check", "ftl-proxy-new"}

    clock.run(work())


def test_other_proxies_are_left_alone() -> None:
    """A container of that name with another volume, or without the label, is not this proxy's."""

    async def work() -> None:
        engine = await server(ftl_proxy="running")
        await engine.create("ftl-proxy-old", spec(volume="other-config"))
        await engine.create("ftl-proxy-new", ContainerSpec(IMAGE, {}))
        await finish_upgrade(engine, machine(), NAMES)
        assert engine.by_name.keys() == {"ftl-proxy", "ftl-proxy-old", "ftl-proxy-new"}

    clock.run(work())


def test_the_serving_container_is_observed_as_the_proxy() -> None:
    """While the old one still serves under another name, it is the proxy, and the rest are leftovers."""

    async def work() -> None:
        engine = await server(ftl_proxy_old="running", ftl_proxy="created")
        state = await observe(engine)
        assert state is not None
        assert (state.running, state.container, state.leftovers) == (
            True,
            engine.by_name["ftl-proxy-old"].id,
            ("ftl-proxy",),
        )

    clock.run(work())
