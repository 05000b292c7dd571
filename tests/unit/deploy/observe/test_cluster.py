"""The servers of a cluster, merged from what each of them shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from ftl.config.models.server import ClusterServer
from ftl.deploy.observe.cluster import observe_fleet
from ftl.deploy.observe.merged import merged
from ftl.deploy.observe.state import Observed
from ftl.deploy.repaired import bring_records
from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmNode
from ftl.engine.errors import NO_MAJORITY, RECOVER
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Network
from ftl.errors import EngineError, FtlError, ServerError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.releases.audit import AuditEntry
from ftl.releases.hold import Hold
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, write_audit, write_hold, write_record, write_records
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.calls.configs import SwarmConfigs
    from ftl.engine.calls.swarm import Swarm

SERVERS = tuple(ClusterServer(host=host) for host in "abc")


def seen(*looks: Observed, managers: str = "abc", nodes: Sequence[SwarmNode] = ()) -> Observed:
    """What a plan gets of servers that show this."""
    infos = {
        look.server: replace(INFO, node=look.server, is_manager=look.server in managers) for look in looks
    }
    sessions = [Session(name, FakeMachine(), FakeEngine(name=name), info) for name, info in infos.items()]
    return merged("shop", SERVERS, Fleet(sessions), looks, (), nodes)


def test_each_server_keeps_where_it_sends_messages_and_which_jobs_ran_there() -> None:
    """The plan ends messages on all but the first of the file, and a removal forgets runs on each."""
    found = seen(*(Observed(host, INFO, "shop", notify=host.encode(), jobs=(host,)) for host in "abc"))
    assert {view.name: view.notify for view in found.views} == {"a": b"a", "b": b"b", "c": b"c"}
    assert {view.name: view.jobs for view in found.views} == {"a": ("a",), "b": ("b",), "c": ("c",)}
    assert (found.notify, found.jobs) == (b"", ())


def test_networks_are_those_of_all_servers() -> None:
    """The one that a project had on one server is there alone, whichever manager answers first; an overlay is once."""
    overlay = Network("o", "ftl-net-shop", {}, ("10.93.1.0/24",), False, "overlay")
    bridges = {host: Network(f"n{host}", "ftl-shop", {}, (f"172.30.{host}",), False) for host in "bc"}
    looks = [
        Observed(host, INFO, "shop", networks=(overlay, *((bridges[host],) if host in bridges else ())))
        for host in "abc"
    ]
    found = seen(*looks)
    assert found.networks == (overlay, bridges["b"], bridges["c"])
    assert [view.networks for view in found.views] == [look.networks for look in looks]


def test_a_server_that_the_managers_do_not_reach_is_cut_off() -> None:
    """It answers to us. After the choice of a leader the state of all is unknown for a moment."""
    looks = [Observed(host, INFO, "shop") for host in "abc"]
    states = {"a": "down", "b": "unknown", "c": "ready"}
    nodes = [
        SwarmNode(host, {}, "manager", "active", state, "", is_reachable=True)
        for host, state in states.items()
    ]
    found = seen(*looks, nodes=nodes)
    assert {view.name: view.cut_off for view in found.views} == {"a": True, "b": False, "c": False}


class Alone(FakeEngine):
    """A manager that answers everything but what needs a leader."""

    cause = "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few"

    async def refuse(self, *_: object, **__: object) -> NoReturn:
        """Answer as without a leader."""
        raise EngineError("the engine on a could not do it", cause=self.cause)

    services = tasks = refuse

    @property
    def swarm(self) -> Swarm:
        """Swarm mode."""
        return cast("Swarm", SimpleNamespace(nodes=self.refuse))

    @property
    def configs(self) -> SwarmConfigs:
        """Its configs."""
        return cast("SwarmConfigs", SimpleNamespace(list=self.refuse))


@pytest.mark.parametrize(
    ("cause", "kind"), [(Alone.cause, ServerError), ("raft: lost leader", ServerError), ("bad", EngineError)]
)
def test_a_cluster_without_a_majority_is_explained(cause: str, kind: type[FtlError]) -> None:
    """Whatever else a manager refuses is its own words."""
    engine = Alone(name="a", images=["web"])
    engine.cause = cause
    info = replace(INFO, node="a", is_manager=True)
    fleet = Fleet([Session(name, FakeMachine(), engine, info) for name in "ab"])
    with pytest.raises(kind) as caught:
        asyncio.run(observe_fleet(fleet, "shop", SERVERS))
    explained = (caught.value.message, caught.value.hint) == (NO_MAJORITY, RECOVER)
    assert (explained, caught.value.cause) == (kind is ServerError, cause)


class Manager(FakeEngine):
    """A manager of a Swarm with these nodes and no service."""

    def __init__(self, name: str, *nodes: str) -> None:
        super().__init__(name=name, images=["web"])
        self._nodes = [
            SwarmNode(node, {}, "manager", "active", "ready", "", is_reachable=True) for node in nodes
        ]

    async def nothing(self, *_: object, **__: object) -> list[Any]:
        """None of it."""
        return []

    async def all_nodes(self) -> list[SwarmNode]:
        """All nodes."""
        return self._nodes

    services = tasks = nothing

    @property
    def swarm(self) -> Swarm:
        """Swarm mode."""
        return cast("Swarm", SimpleNamespace(nodes=self.all_nodes))

    @property
    def configs(self) -> SwarmConfigs:
        """Its configs."""
        return cast("SwarmConfigs", SimpleNamespace(list=self.nothing))


def test_servers_of_a_cluster_that_was_rebuilt_without_them_are_refused() -> None:
    """They may have a leader of their own, and the release of before."""
    engines = {name: Manager(name, *nodes) for name, nodes in (("b", "bc"), ("a", "a"), ("c", "bc"))}

    async def look() -> None:
        for engine in engines.values():
            await engine.create_network("ftl-c-shop", {})
        sessions = [
            Session(name, FakeMachine(), engine, replace(INFO, node=name, is_manager=True))
            for name, engine in engines.items()
        ]
        await observe_fleet(Fleet(sessions), "shop", SERVERS)

    with pytest.raises(ServerError, match="a and b are not in one cluster") as caught:
        asyncio.run(look())
    assert "ftl setup" in (caught.value.hint or "")


def test_a_task_that_still_stops_is_left_to_swarm() -> None:
    """Back on one server, its service is gone; a task of another project is one that uses its image."""
    engine = Manager("a", "a")

    async def look() -> Observed:
        own = {labels.ROLE: labels.ROLE_SERVICE, labels.SERVICE: "web", labels.RELEASE: "r1"}
        for name, project, made in (("mine", "shop", own), ("other", "blog", {})):
            label_map = {labels.PROJECT: project, labels.SWARM_TASK: "t", labels.SWARM_SERVICE: "s", **made}
            await engine.create(name, ContainerSpec(image="web", labels=label_map))
        info = replace(INFO, node="a", is_manager=True)
        return await observe_fleet(Fleet([Session("a", FakeMachine(), engine, info)]), "shop", ())

    assert [one.name for one in asyncio.run(look()).containers] == ["other"]


def test_a_stop_that_broke_off_is_looked_for_on_servers_without_records() -> None:
    """A manager has the audit; the dependency, whose policy is lost, is on a worker."""
    engines = {name: Manager(name, *"abc") for name in "abc"}

    async def look() -> Observed:
        for engine in engines.values():
            await engine.create_network("ftl-c-shop", {})
        await ensure_store(engines["a"], "web")
        await write_audit(engines["a"], "shop", [AuditEntry(1.0, "me@here", "stop db", "r1", "interrupted")])
        label_map = {labels.PROJECT: "shop", labels.ROLE: labels.ROLE_DEPENDENCY, labels.SERVICE: "db"}
        spec = ContainerSpec(image="web", labels={**label_map, labels.RESTART: "always"}, restart="no")
        await engines["c"].start(await engines["c"].create("shop-db", spec))
        sessions = [
            Session(name, FakeMachine(), engine, replace(INFO, node=name, is_manager=name == "a"))
            for name, engine in engines.items()
        ]
        return await observe_fleet(Fleet(sessions), "shop", SERVERS)

    assert list(asyncio.run(look()).policies.values()) == ["no"]


def test_a_cluster_without_the_projects_network_is_observed() -> None:
    """As a removal leaves it that is cut behind it: what is left is seen, to be removed."""
    engine = Manager("a", "a")

    async def look() -> Observed:
        await engine.create_volume("shop-data", {labels.PROJECT: "shop"})
        session = Session("a", FakeMachine(), engine, replace(INFO, node="a", is_manager=True))
        return await observe_fleet(Fleet([session]), "shop", SERVERS[:1])

    found = asyncio.run(look())
    assert [volume.name for volume in found.volumes] == ["shop-data"]
    assert found.networks == ()


def test_servers_of_the_swarm_that_are_not_seen() -> None:
    """Those that do not answer, or are no longer in the file; and those whose jobs another server has."""
    engine = Manager("a", "a", "b", "d")
    host, jobless = labels.node_host("shop"), labels.node_jobless("shop")
    label_map = {"a": {host: "a", jobless: "true"}, "b": {host: "b"}, "d": {labels.node_host("blog"): "d"}}
    engine._nodes = [replace(node, labels=label_map[node.id]) for node in engine._nodes]

    async def look() -> Observed:
        await engine.create_network("ftl-c-shop", {})
        session = Session("a", FakeMachine(), engine, replace(INFO, node="a", is_manager=True))
        return await observe_fleet(Fleet([session], {"b": ServerError("no way to b")}), "shop", SERVERS[:2])

    found = asyncio.run(look())
    assert (found.down, found.unreachable) == (("b",), {"b": "ready"})
    assert (found.unseen, found.jobless, found.joining) == (("b",), frozenset("a"), ("a",))
    assert found.unlisted == {}
    label_map["a"][labels.node_role("shop", labels.ANY_ROLE)] = "true"
    engine._nodes = [replace(node, state="down") if node.id == "b" else node for node in engine._nodes]
    found = asyncio.run(look())
    assert (found.joining, found.down, found.unreachable) == ((), ("b",), {})


@pytest.mark.parametrize(
    ("label_map", "state", "is_open"),
    [
        ({}, "ready", False),
        ({labels.node_role("shop", labels.ANY_ROLE): "true"}, "ready", True),
        ({labels.node_role("shop", labels.ANY_ROLE): "true"}, "down", False),
        (
            {labels.node_role("shop", labels.ANY_ROLE): "true", labels.node_drained("shop"): "true"},
            "ready",
            False,
        ),
    ],
)
def test_servers_that_the_file_does_not_name_any_more(
    label_map: dict[str, str], state: str, *, is_open: bool
) -> None:
    """They are in the cluster until `ftl setup` is run; the Swarm may still place tasks there."""
    engine = Manager("a", "a", "b", "d")
    host = labels.node_host("shop")
    a, b, d = engine._nodes
    engine._nodes = [
        replace(a, labels={host: "a"}),
        replace(b, labels={host: "b", **label_map}, state="ready"),
        replace(d, labels={host: "d", **label_map}, state=state),
    ]

    async def look() -> Observed:
        await engine.create_network("ftl-c-shop", {})
        session = Session("a", FakeMachine(), engine, replace(INFO, node="a", is_manager=True))
        return await observe_fleet(Fleet([session]), "shop", SERVERS[:2])

    assert asyncio.run(look()).unlisted == {"d": is_open}


def test_a_manager_that_was_away_gets_what_the_others_recorded() -> None:
    """And loses nothing that it alone has: a hold, a mark, and an audit that a command wrote there alone."""
    engines = {name: Manager(name, *"abc") for name in "abc"}
    old, later, last = (ReleaseRecord(f"r{n}", "live", float(n), project={"name": "shop"}) for n in (1, 2, 3))
    hold = Hold("look first", "me@here", 50.0)

    async def look() -> Observed:
        infos = {name: replace(INFO, node=name, is_manager=True) for name in engines}
        fleet = Fleet([Session(name, FakeMachine(), one, infos[name]) for name, one in engines.items()])
        return await observe_fleet(fleet, "shop", SERVERS)

    async def work() -> None:
        for engine in engines.values():
            await engine.create_network("ftl-c-shop", {})
            await ensure_store(engine, "web")
            await write_record(engine, "shop", old)
        for name in "bc":
            await write_record(engines[name], "shop", last)
            await write_hold(engines[name], "shop", hold)
        await write_records(engines["b"], "shop", [replace(old, bad="leaks")])
        await write_record(engines["a"], "shop", later)
        await write_audit(engines["a"], "shop", [AuditEntry(99.0, "me@here", "jobs run tick", "r1", "done")])
        marked = replace(old, bad="leaks", changes=1)
        for lacks in ({"a": (marked, last), "b": (later,), "c": (marked, later)}, dict.fromkeys("abc", ())):
            found = await look()
            assert (found.releases, found.hold) == ((marked, later, last), hold)
            assert [one.command for one in found.audit] == ["jobs run tick"]
            assert {view.name: view.lacks for view in found.views} == lacks
            assert [view.lacks_hold for view in found.views] == [bool(lacks["a"]), False, False]
            await bring_records(
                Fleet([Session(n, FakeMachine(), e, INFO) for n, e in engines.items()]), found
            )
        await write_hold(engines["a"], "shop", None, ended=60.0)
        ended = await look()
        assert (ended.hold, [view.lacks_hold for view in ended.views]) == (None, [False, True, True])

    asyncio.run(work())
