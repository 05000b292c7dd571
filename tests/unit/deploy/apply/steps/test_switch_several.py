"""The switch of several proxies: all of them, or none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from ftl.config.models.project import ClusterServer
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.proxy import switch
from ftl.deploy.plan.steps.proxy import Switch
from ftl.engine import labels
from ftl.errors import EngineError
from ftl.health.spec import HealthSpec
from ftl.health.wait import Healthy
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.proxy.names import release_alias
from tests.support.clock import run as run_async
from tests.support.fake_images import INFO
from tests.unit.deploy.apply.test_switch_back import deploy, shop
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import ModelEngine
from tests.unit.deploy.world import project, server

SERVERS = ("a", "b", "c")
STEP = Switch("shop", "r2", {"web": release_alias("shop", "web", "r2")}, ("web",), servers=SERVERS)


async def servers() -> dict[str, ModelEngine]:
    """Three servers on which r1 is live."""
    engines = {host: ModelEngine() for host in SERVERS}
    for engine in engines.values():
        await deploy(engine, shop(), "1")
    return engines


def context(engines: dict[str, ModelEngine]) -> DeployContext:
    """A run on these servers."""
    sessions = [Session(host, ModelMachine(engine), engine, INFO) for host, engine in engines.items()]
    asked = project()
    clients = RunClients(asked, Path())
    return DeployContext(
        asked, Path(), Fleet(sessions), sessions[0], server(asked), "r2", lambda _: None, clients
    )


def test_all_proxies_switch() -> None:
    """One step decides for all."""

    async def check() -> None:
        engines = await servers()
        decision = await switch(context(engines), STEP)
        assert decision is not None
        assert (decision.committed, decision.error) == (True, None)
        for engine in engines.values():
            assert engine.live() == {"shop.web": STEP.aliases["web"]}

    run_async(check())


@pytest.mark.parametrize("failing", SERVERS)
def test_a_proxy_that_does_not_switch_takes_the_others_back(failing: str) -> None:
    """The old containers still run: everywhere requests go to the release before again."""

    async def check() -> None:
        engines = await servers()
        before = {host: engine.live() for host, engine in engines.items()}
        engines[failing].fail("execute")
        run = context(engines)
        decision = await switch(run, STEP)
        assert decision is not None
        assert decision.committed is False
        assert isinstance(decision.error, EngineError)
        assert run.switch.switched_back
        assert {host: engine.live() for host, engine in engines.items()} == before

    run_async(check())


def test_containers_of_a_cluster_are_not_checked_from_the_servers() -> None:
    """No server reaches their addresses, which are those of the overlay: they were checked through the gateway."""

    async def check() -> None:
        engines = await servers()
        run = context(engines)
        own = await engines["a"].containers(labels={labels.SERVICE: "web"})
        early = HealthSpec(ports=(8000,), path="/up", timeout=1, early=True)
        settled = asyncio.get_running_loop().time() + 1
        run.created.update((each.name, each.id) for each in own)
        run.healthy.update((each.id, Healthy(0, settled, early)) for each in own)
        asked = replace(run.project, servers=tuple(ClusterServer(host=name) for name in SERVERS))
        decision = await switch(replace(run, project=asked), STEP)
        assert decision is not None
        assert (bool(own), decision.committed, decision.error) == (True, True, None)

    run_async(check())
