"""What the Swarm is told of the live release, and crontabs of servers that may come back."""

from __future__ import annotations

import fcntl
import gzip
import io
import random
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.catch_up import RUNNERS
from ftl.deploy.plan.steps.catch_up import EndCatchUp, PauseCatchUp, PublishLiveState
from ftl.engine import labels
from ftl.engine.calls.configs import SwarmConfig
from ftl.engine.calls.services import SwarmService
from ftl.engine.calls.swarm import SwarmNode
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Mount
from ftl.errors import EngineError, ServerError
from ftl.events import Note
from ftl.host.crontab import catch_up_script, catch_up_state
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.proxy.commands import adoption
from ftl.proxy.configuration.caddy import render
from ftl.proxy.live_state import at_server, published_site
from ftl.proxy.names import ProxyNames
from ftl.proxy.site import Maintenance, Site, SiteRoute, same_anywhere
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.world import project, server

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from ftl.deploy.plan.steps.base import Step
    from ftl.engine.calls.configs import SwarmConfigs
    from ftl.engine.calls.swarm import Swarm
    from ftl.events import Event

SITE = Site("shop", ("10.0.0.0/24",), routes=(SiteRoute("shop.example.com", "/", False, "web", 8000),))


class Configs:
    """The configs of a Swarm in memory.

    Attributes:
        late: Calls whose answers come too late, once for each.
    """

    def __init__(self) -> None:
        self.kept: dict[str, SwarmConfig] = {}
        self.late: list[str] = []

    def may_be_late(self, call: str) -> None:
        """Fail after a call that the managers stored all the same; the next time, it answers."""
        if call in self.late:
            self.late.remove(call)
            raise EngineError("the engine could not do it", cause="rpc error: code = DeadlineExceeded")

    async def list(self, labels: Mapping[str, str]) -> list[SwarmConfig]:
        """Those with these labels."""
        self.may_be_late("list")
        return [one for one in self.kept.values() if labels.items() <= one.labels.items()]

    async def create(self, name: str, data: bytes, labels: Mapping[str, str]) -> str:
        """Keep one."""
        if any(one.name == name for one in self.kept.values()):
            raise EngineError(
                "the engine could not create it",
                cause=f"rpc error: code = AlreadyExists desc = config {name} already exists",
                status=409,
            )
        made = SwarmConfig(f"id-{name}", name, labels, data)
        self.kept[made.id] = made
        self.may_be_late("create")
        return made.id

    async def remove(self, config: str) -> None:
        """Forget one; a missing one is no error."""
        self.kept.pop(config, None)
        self.may_be_late("remove")


class Manager(FakeEngine):
    """A manager's engine."""

    def __init__(self) -> None:
        super().__init__(name="a", images=["caddy:2"])
        self.kept = Configs()
        self.bringing: list[SwarmService] = []
        self.nodes: list[SwarmNode] = []

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """Its Swarm's services with these labels."""
        return [one for one in self.bringing if (labels or {}).items() <= one.labels.items()]

    async def remove_service(self, service: str) -> None:
        """Forget one; configs can go only after those that have them."""
        assert any(one.labels["ftl.role"] == "certificates" for one in self.kept.kept.values())
        self.bringing = [one for one in self.bringing if one.id != service]

    @property
    def configs(self) -> SwarmConfigs:
        """The configs of its Swarm."""
        return cast("SwarmConfigs", self.kept)

    async def all_nodes(self) -> list[SwarmNode]:
        """The nodes of its Swarm."""
        return self.nodes

    @property
    def swarm(self) -> Swarm:
        """Swarm mode."""
        return cast("Swarm", SimpleNamespace(nodes=self.all_nodes))


def two_servers(worker: str = "") -> tuple[DeployContext, Manager, list[FakeMachine], list[Event]]:
    """A run on two managers, or a manager and a worker."""
    engines, machines = (Manager(), FakeEngine(name="b")), [FakeMachine("a"), FakeMachine("b")]
    sessions = [
        Session(
            machine.name, machine, engine, replace(INFO, node=machine.name, is_manager=machine.name != worker)
        )
        for machine, engine in zip(machines, engines, strict=True)
    ]
    events: list[Event] = []
    asked = project()
    fleet = Fleet(sessions)
    clients = RunClients(asked, Path())
    context = DeployContext(asked, Path(), fleet, sessions[0], server(asked), "r1", events.append, clients)
    return context, engines[0], machines, events


async def put_site(manager: Manager, site: Site) -> None:
    """Have a proxy with a site."""
    mounts = (Mount(ProxyNames().config_volume, "/config"),)
    spec = ContainerSpec("caddy:2", {labels.ROLE: labels.ROLE_PROXY}, mounts=mounts)
    await manager.create(ProxyNames().container, spec)
    files = tar_archive({"ftl/sites/shop.json": site.to_json().encode()})
    await manager.put_archive(ProxyNames().container, "/config", files)


def perform(context: DeployContext, step: Step) -> None:
    """Execute a step."""

    async def execute() -> None:
        await RUNNERS.of(step)(context, step)

    run(execute())


def test_a_deploy_that_fails_says_again_what_was_live() -> None:
    """While it runs nothing is said; other projects' configs stay."""
    context, manager, _, _ = two_servers()
    run(manager.kept.create("one", b"before", {"ftl.project": "shop", "ftl.role": "live"}))
    run(manager.kept.create("two", b"other", {"ftl.project": "blog", "ftl.role": "live"}))
    perform(context, PauseCatchUp("shop", servers=("a",)))
    assert [one.data for one in manager.kept.kept.values()] == [b"other"]
    run(context.undo.run(context.emit))
    assert sorted(one.data for one in manager.kept.kept.values()) == [b"before", b"other"]


def test_a_change_that_fails_after_it_was_said_leaves_one_word() -> None:
    """Of two configs no server uses any: what the change has said goes, and what was said before it comes back."""
    context, manager, _, _ = two_servers()
    label_map = {"ftl.project": "shop", "ftl.role": "live"}
    run(manager.kept.create("one", b"before", label_map))
    perform(context, PauseCatchUp("shop", servers=("a",)))
    run(manager.kept.create("two", b"after", label_map))
    run(context.undo.run(context.emit))
    assert [one.data for one in manager.kept.kept.values()] == [b"before"]


def test_what_is_live_is_said_once_where_the_managers_agree_late() -> None:
    """Of two configs no server uses any; and the release is live, whatever they do."""
    context, manager, _, _ = two_servers()
    run(manager.kept.create("one", b"before", {"ftl.project": "shop", "ftl.role": "live"}))
    run(put_site(manager, SITE))
    manager.kept.late = ["list", "create", "create", "remove"]
    perform(context, PublishLiveState("shop", ("a", "b"), "a", servers=("a", "b")))
    assert manager.kept.late == ["create"]
    assert len(manager.kept.kept) == 1
    assert "id-one" not in manager.kept.kept


def test_what_is_said_for_a_server_that_is_away_has_what_its_proxy_serves_besides() -> None:
    """Other projects by what the nodes are for them, and the user's certificates; nothing of it while all are there."""
    context, manager, _, _ = two_servers()
    own = at_server(replace(SITE, tls="auto", certificate="mine"), "a", "a")
    others = [
        at_server(replace(SITE, project=name, routes=()), f"{name}-a", f"{name}-a")
        for name in ("blog", "wiki")
    ]
    run(put_site(manager, own))
    stored = {f"ftl/sites/{other.project}.json": other.to_json().encode() for other in others}
    stored["ftl/sites/alone.json"] = replace(SITE, project="alone", routes=()).to_json().encode()
    run(manager.put_archive(ProxyNames().container, "/config", tar_archive(stored)))
    keys = {f"certificates/{name}": name.encode() for name in ("mine.crt", "mine.key", "old.crt", "old.key")}
    run(manager.put_archive(ProxyNames().container, "/data/ftl", tar_archive(keys)))
    label_map = {
        labels.node_host("shop"): "b",
        labels.node_host("blog"): "blog-b",
        labels.node_host("wiki"): "wiki-b",
    }
    label_map[labels.node_role("blog", "web")] = "true"  # the wiki has no proxy there
    manager.nodes = [SwarmNode("n", label_map, "manager", "active", "down", "", is_reachable=False)]

    def said(*servers: str) -> dict[str, bytes]:
        perform(context, PublishLiveState("shop", ("a", "b"), "a", servers=servers))
        (config,) = manager.kept.kept.values()
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(config.data))) as tar:
            return {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}  # type: ignore[union-attr]

    there, away = said("a", "b"), said("a")
    blog = at_server(replace(SITE, project="blog", routes=()), "blog-b", "blog-a")
    assert {name: content for name, content in away.items() if name not in there} == {
        "b/shared.json": render((at_server(own, "b", "a"), blog)),
        "b/others/blog.json": blog.to_json().encode(),
        "data/ftl/certificates/mine.crt": b"mine.crt",
        "data/ftl/certificates/mine.key": b"mine.key",
    }
    published = published_site(next(iter(manager.kept.kept.values())).data)
    assert published is not None
    assert same_anywhere(published, own)
    assert [published_site(data) for data in (b"", gzip.compress(b"x"), gzip.compress(tar_archive({})))] == [
        None
    ] * 3


def test_each_server_looks_for_what_is_live() -> None:
    """One without cron is named in a warning, and the others look all the same."""
    context, _, machines, events = two_servers()
    machines[1].answer("crontab", answer=CommandOutput(3, b"cron is not installed\n"))
    perform(context, PublishLiveState("shop", ("a", "b"), "a", servers=("a", "b")))
    for machine in machines:
        (command,) = machine.commands
        assert command[4:6] == ("follow", "shop")
        assert machine.inputs[0] == (
            b"* * * * *|* * * * *|shop ftl-proxy 127.0.0.1:2019\n"
            b"@reboot|@reboot|shop ftl-proxy 127.0.0.1:2019 boot\n"
        )
    (note,) = events
    assert isinstance(note, Note)
    assert (note.level, note.text) == (
        "warning",
        "b cannot catch up by itself after an outage: cron is not installed",
    )


def test_a_crontab_that_has_it_all_is_not_written_again() -> None:
    """Waiting for those that catch up has told so, on one of two servers."""
    context, _, machines, _ = two_servers()
    places = ("ftl-proxy", "127.0.0.1:2019")
    state = catch_up_state(machines[0], "shop", catch_up_script(adoption()), places)
    machines[0].answer("ftl-await", answer=CommandOutput(0, f"{state}\n".encode()))
    machines[1].answer("ftl-await", answer=CommandOutput(0, b"other\n"))
    perform(context, PauseCatchUp("shop", servers=("a", "b")))
    perform(context, PublishLiveState("shop", ("a", "b"), "a", servers=("a", "b")))
    assert [len(machine.commands) for machine in machines] == [1, 2]


def test_what_does_not_fit_a_config_is_a_warning() -> None:
    """A long page of maintenance is in it for each server; the deploy is done, and servers that come back wait."""
    context, manager, _, events = two_servers()
    page = random.Random(3).randbytes(150_000).hex()
    run(put_site(manager, replace(SITE, maintenance=Maintenance(page=page))))
    perform(context, PublishLiveState("shop", ("a", "b"), "a", servers=("a", "b")))
    assert manager.kept.kept == {}
    (note,) = events
    assert isinstance(note, Note)
    assert note.level == "warning"
    assert "over the size limit of a Swarm config" in note.text


def test_no_server_catches_up_with_a_removed_project() -> None:
    """Its configs go, that with keys last, when no server can make it anew; and its lines in the crontabs."""
    context, manager, machines, _ = two_servers()
    run(manager.kept.create("one", b"before", {"ftl.project": "shop", "ftl.role": "live"}))
    run(manager.kept.create("two", b"keys", {"ftl.project": "shop", "ftl.role": "certificates"}))
    label_map = {"ftl.project": "shop", "ftl.role": "certificates"}
    manager.bringing = [
        SwarmService(name, name, {**label_map, **more}, "caddy:2", 0, {})
        for name, more in (("s1", {}), ("s2", {"ftl.project": "blog"}))
    ]
    perform(context, EndCatchUp("shop", servers=("a", "b")))
    assert manager.kept.kept == {}
    assert [one.id for one in manager.bringing] == ["s2"]
    assert [machine.inputs for machine in machines] == [[b"", None], [b"", None]]
    assert [machine.commands[1][-2:] for machine in machines] == [("ftl-await", "shop")] * 2


def test_a_server_that_has_begun_to_catch_up_ends_before_anything_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is waited for; one that hangs, or does not answer, is named, and the deploy goes on."""
    context, _, machines, events = two_servers()
    perform(context, PauseCatchUp("shop", servers=("a", "b")))
    (command,) = machines[0].commands
    assert [machine.commands for machine in machines] == [[command]] * 2
    assert events == []
    machines[0].answer("ftl-await", answer=CommandOutput(1))
    machines[1].answer("ftl-await", answer=CommandOutput(error=ServerError("b took longer than 60 s")))
    perform(context, PauseCatchUp("shop", servers=("a", "b")))
    assert sorted(event.text for event in events if isinstance(event, Note)) == [
        "a may still be catching up with the previous release: it has not finished after 30 s",
        "b may still be catching up with the previous release: b took longer than 60 s",
    ]
    # The command itself: there was no catch-up yet, then a script has the lock, then it has ended.
    monkeypatch.setenv("HOME", str(tmp_path))
    short = [word.replace("-w 30", "-n") for word in command]
    assert subprocess.run(command, check=False).returncode == 0
    lock = tmp_path / ".ftl" / "follow.shop.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert subprocess.run(short, check=False).returncode == 1
    assert subprocess.run(short, check=False).returncode == 0
