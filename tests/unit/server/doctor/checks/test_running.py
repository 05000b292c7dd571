"""What doctor finds about what runs in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.engine.values import ExecResult, Mount
from ftl.host.session import Session
from ftl.proxy.names import release_alias
from ftl.proxy.reach import Reach
from ftl.server.doctor.checks.running import ReachAttempt, check_running, judge_attempts, judge_dependencies
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.cluster import cluster
from tests.unit.deploy.world import service

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIAS = release_alias("shop", "web", "r5")


def test_a_dependency_that_runs_twice_is_a_problem() -> None:
    """It is named with its servers, and with what to do."""
    (found,) = judge_dependencies("shop", {"a": ("cache", "db"), "b": ("db",), "c": ()})
    assert (found.level, found.what) == ("problem", "db runs on a and b, and all of them answer to its name")
    assert "`docker rm -f shop-db`" in (found.fix or "")


@pytest.mark.parametrize(
    ("alias", "missed", "what", "fix"),
    [
        (ALIAS, Reach(0, 1), "b does not find web: its name is not known there", "restart web"),
        ("r4-web", Reach(0, 1), "b sends requests for web to a release that is gone", "deploy"),
        (
            ALIAS,
            Reach(2, 1, ("10.0.0.6",)),
            "b does not reach web: 10.0.0.6 does not answer on port 8000",
            "4789/udp",
        ),
    ],
)
def test_a_proxy_that_does_not_reach_what_is_live_is_a_problem(
    alias: str, missed: Reach, what: str, fix: str
) -> None:
    """Each with what mends it: the name, the proxy, or the network."""
    attempts = [ReachAttempt("a", "web", ALIAS, 8000, None), ReachAttempt("b", "web", alias, 8000, missed)]
    (found,) = judge_attempts(attempts)
    assert (found.level, found.what) == ("problem", what)
    assert fix in (found.fix or "")


async def with_proxy(engine: FakeEngine, *services: str) -> None:
    """An engine with a proxy whose live file names r5 of `web`, and with running containers."""
    engine.add_image("caddy:2")
    config = (Mount("ftl-proxy-config", "/config"),)
    await engine.create_volume("ftl-proxy-config", {})
    specs = {"ftl-proxy": ContainerSpec("caddy:2", {labels.ROLE: labels.ROLE_PROXY}, mounts=config)}
    for name in services:
        label_map = {labels.PROJECT: "shop", labels.ROLE: labels.ROLE_SERVICE, labels.SERVICE: name}
        specs[f"shop-{name}-r5"] = ContainerSpec("caddy:2", label_map)
    for name, spec in specs.items():
        await engine.create(name, spec)
        await engine.start(name)
    files = {f"live/shop.{name}": ALIAS.encode() for name in ("web", "api", "gone")}
    await engine.put_archive("ftl-proxy", "/config", tar_archive(files))


@pytest.mark.parametrize(("fails", "level"), [("", "ok"), ("b", "problem"), ("c", "ok")])
def test_each_proxy_is_asked_for_what_runs(fails: str, level: str) -> None:
    """Not for a service that is stopped, nor for one without a port here; and not where it is cut off."""
    asked = cluster(service(), service("api", port=9000), service("mail", port=None, routes=()))
    tried: list[tuple[str, Sequence[str]]] = []

    async def work() -> list[tuple[str, str]]:
        sessions = {}
        for host in "abc":
            engine = FakeEngine(name=host)

            def answer(_: str, argv: Sequence[str], host: str = host) -> ExecResult:
                tried.append((host, argv[-4:]))
                return ExecResult(1, b"0\n", b"") if host == fails else ExecResult(0, b"", b"")

            engine.on_execute = answer
            await with_proxy(engine, *(("web", "mail") if host == "a" else ()))
            sessions[host] = Session(host, FakeMachine(host), engine, INFO)
        found = await check_running(asked, sessions, {"c"})
        return [(each.level, each.what) for each in found]

    (found,) = run(work())
    assert tried == [(host, [ALIAS, "8000", "1", "3"]) for host in "ab"]
    assert found[0] == level
    assert found[1].startswith("every proxy reaches web" if level == "ok" else "b does not find web")
