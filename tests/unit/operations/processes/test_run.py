"""Commands in containers of their own: the container that is created, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.observe.cluster import observe_fleet
from ftl.engine import labels
from ftl.engine.values import EngineInfo, Image
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.processes.run import RunRequest, RunResult, choose_server, run_command
from ftl.proxy.names import project_network
from ftl.releases.file_copies import CONTAINER
from ftl.releases.store import ensure_store, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.cluster import ASKED, live
from tests.unit.deploy.world import project, record, service
from tests.unit.operations.stage import PROJECT, add

if TYPE_CHECKING:
    from ftl.engine.specs import ContainerSpec
    from ftl.events import Event
    from ftl.releases.record import ReleaseRecord

WEB = service("web", env={"DATABASE_URL": "postgres://db"}, command="serve")
SHOP = project(WEB)


class Engine(FakeEngine):
    """An engine that keeps the specs of all containers that were created."""

    def __init__(self) -> None:
        super().__init__()
        self.specs: dict[str, ContainerSpec] = {}

    async def create(self, name: str, spec: ContainerSpec) -> str:
        self.specs[name] = spec
        return await super().create(name, spec)


def recorded(release: str) -> ReleaseRecord:
    """The record of a live release, with the project."""
    made = record(release, web=release)
    return replace(made, outcome="live", project=SHOP.to_dict())


async def deployed(*releases: str) -> Engine:
    """A server to which these releases were deployed; the last one runs."""
    engine = Engine()
    await engine.create_network(project_network(PROJECT), {})
    await add(
        engine, f"shop-web-{releases[-1]}", "web", release=releases[-1], image=f"shop-web:{releases[-1]}"
    )
    await ensure_store(engine, f"shop-web:{releases[-1]}")
    for release in releases:
        await write_record(engine, PROJECT, recorded(release))
    return engine


def ran(
    engine: FakeEngine, machine: FakeMachine | None = None, **request: object
) -> tuple[RunResult, list[Event]]:
    """Result of a command, and the events."""
    info = EngineInfo("20.10.24", "1.41", "linux/amd64", "overlay2", "/var/lib/docker")
    session = Session("shop.example.com", machine or FakeMachine(), engine, info)
    asked = RunRequest(PROJECT, SHOP.server, "web", **request)  # type: ignore[arg-type]
    events: list[Event] = []
    return run(run_command(asked, Fleet([session]), observe_fleet, events.append)), events


def test_the_container_has_all_of_the_service_but_its_ports_and_name() -> None:
    """Env from the record; no alias of the service, no restart; its own role."""
    engine = run(deployed("r1"))
    result, _ = ran(engine, command=("migrate", "a b"), kind="pipes")
    spec = engine.specs[result.container]
    assert result.container.startswith("shop-web-run-")
    assert (spec.image, spec.command, spec.entrypoint) == ("shop-web:r1", ("migrate", "a b"), None)
    assert spec.env == {
        "DATABASE_URL": "postgres://db",
        "FTL_RELEASE": "r1",
        "FTL_COMMIT": "",
        "FTL_ENV": "",
        "FTL_SERVICE": "web",
    }
    assert (spec.publish, spec.restart, spec.once) == ((), "no", "pipes")
    assert list(spec.networks.values()) == [()]
    assert spec.labels[labels.ROLE] == labels.ROLE_RUN
    assert spec.labels[labels.RELEASE] == "r1"


def test_the_environment_is_that_of_the_record() -> None:
    """Where an older FTL wrote the record, it is that of the command line."""
    engine = run(deployed("r1"))
    before = engine.specs[ran(engine, command=("env",), environment="x")[0].container]
    run(write_record(engine, PROJECT, replace(recorded("r1"), environment="staging")))
    after = engine.specs[ran(engine, command=("env",), environment="x")[0].container]
    assert (before.env["FTL_ENV"], after.env["FTL_ENV"]) == ("x", "staging")


def test_the_commit_is_that_of_the_release() -> None:
    """As its hooks and containers saw it."""
    engine = run(deployed("r1"))
    run(write_record(engine, PROJECT, replace(recorded("r1"), commit="c0ffee")))
    assert engine.specs[ran(engine, command=("env",))[0].container].env["FTL_COMMIT"] == "c0ffee"


@pytest.mark.parametrize(("status", "said"), [(137, True), (0, False)])
def test_a_command_that_reached_its_time_limit_says_so(
    monkeypatch: pytest.MonkeyPatch, status: int, said: bool
) -> None:
    """And with which option it gets more; one that ended well in its last second needs no explanation."""
    machine = FakeMachine()
    machine.answer("ftl-run", answer=CommandOutput(exit_code=status))
    minutes = count(step=60.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(minutes))
    _, events = ran(run(deployed("r1")), machine, command=("work",), seconds=60.0)
    notes = [note for note in events if isinstance(note, Note)]
    limits = [(note.text, note.hint) for note in notes if "time limit" in note.text]
    assert limits == (
        [("its time limit of 1 min 0 s was reached", "`--ttl` sets another one")] if said else []
    )


def test_a_shell_takes_the_place_of_the_entrypoint() -> None:
    """An image whose entrypoint is the app would pass the shell to that."""
    engine = run(deployed("r1"))
    result, _ = ran(engine, kind="terminal")
    spec = engine.specs[result.container]
    assert spec.entrypoint == ("sh",)
    assert "bash" in (spec.command or ("", ""))[1]
    assert "TERM" in spec.env


def test_the_guard_knows_the_container_before_it_exists() -> None:
    """So that a connection that breaks in between leaves none; it also has the time to live."""
    engine = run(deployed("r1"))
    machine = FakeMachine()
    machine.answer("ftl-guard", answer=CommandOutput(stays=True))
    result, _ = ran(engine, machine, command=("true",), seconds=90.0)
    assert machine.commands[0][-3:] == ("run", result.container, "90")
    assert machine.commands[1][-2:] == ("attached", result.container)
    assert machine.processes[0].received.endswith(b"done\n")


@pytest.mark.parametrize("kind", ["pipes", "detached"])
def test_a_time_to_live_is_never_rounded_to_none(kind: str) -> None:
    """The server counts whole seconds: 0 would be no limit for one, and no time at all for the other."""
    engine = run(deployed("r1"))
    machine = FakeMachine()
    machine.answer("ftl-guard", answer=CommandOutput(stays=True))
    ran(engine, machine, command=("true",), kind=kind, seconds=1.4)
    assert any(command[-1] == "2" for command in machine.commands)


def test_a_command_that_the_guard_ended_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine slept, and the server heard nothing; a command that ends well needs no explanation."""
    hours = count(step=3600)
    monkeypatch.setattr(time, "clock_gettime", lambda _: next(hours))
    for status, said in ((137, True), (0, False)):
        machine = FakeMachine()
        machine.answer("ftl-run", answer=CommandOutput(exit_code=status))
        _, notes = ran(run(deployed("r1")), machine, command=("true",))
        assert (
            any(
                "no heartbeat from this machine for 30 s" in note.text
                for note in notes
                if isinstance(note, Note)
            )
            is said
        )


def test_a_failed_command_leaves_no_container_that_never_started() -> None:
    """The engine removes one at its end alone."""
    engine = run(deployed("r1"))
    machine = FakeMachine()
    machine.answer("ftl-run", answer=CommandOutput(exit_code=1))
    result, _ = ran(engine, machine, command=("true",))
    assert result.status == 1
    assert result.container not in engine.by_name


def test_a_detached_command_has_no_limit_and_a_guard_until_it_starts() -> None:
    """A kill before the start leaves no container; a limit is the user's to set."""
    engine = run(deployed("r1"))
    machine = FakeMachine()
    machine.answer("ftl-guard", answer=CommandOutput(stays=True))
    result, _ = ran(engine, machine, command=("work",), kind="detached")
    assert [command[-3:] for command in machine.commands] == [("detached", result.container, "0")] * 2
    assert ["ftl-guard" in command for command in machine.commands] == [True, False]
    assert machine.processes[0].received.endswith(b"done\n")


def test_another_release_needs_its_image() -> None:
    """By the record; without the image on the server there is nothing to run."""
    engine = run(deployed("r1", "r2"))
    engine.add_image("shop-web:r1")
    result, _ = ran(engine, command=("true",), release="r1")
    assert engine.specs[result.container].image == "shop-web:r1"
    other = run(deployed("r1", "r2"))
    with pytest.raises(UsageError, match="the image of web in r1 is no longer on"):
        ran(other, command=("true",), release="r1")
    with pytest.raises(UsageError, match="there is no release `r7`"):
        ran(other, command=("true",), release="r7")


def test_where_the_container_of_the_records_was_pruned() -> None:
    """It is created anew: a command needs what only the record has."""
    engine = run(deployed("r1"))
    run(engine.remove(CONTAINER, force=True))
    assert ran(engine, kind="detached")[0].status == 0


def test_before_the_first_deploy() -> None:
    """There is no image to run."""
    with pytest.raises(FtlError, match="shop is not deployed"):
        ran(FakeEngine(), command=("true",))


@pytest.mark.parametrize(
    ("images", "asked", "host"), [("abc", "", "b"), ("ac", "", "c"), ("a", "", "a"), ("abc", "a", "a")]
)
def test_of_several_servers_one_where_the_service_runs_is_taken(images: str, asked: str, host: str) -> None:
    """One that has the image before others, and that of --server before all; its containers run on b and c."""
    seen = live()
    tag = Image("sha256:i", ("shop-web:r1",), (), (), {}, "linux/amd64", 1)
    views = tuple(
        replace(
            view,
            images=(*view.images, *((tag,) if view.name in images else ())),
            containers=tuple(replace(one, image="sha256:other") for one in view.containers),
        )
        for view in seen.views
    )
    seen = replace(seen, views=views)
    request = RunRequest("shop", ASKED.servers[0], "web", servers=ASKED.servers, on=asked)
    assert choose_server(request, seen) == host
