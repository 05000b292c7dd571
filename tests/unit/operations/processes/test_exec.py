"""Commands in containers: which container, what is asked of the server, what a failure says."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from ftl.common.next_step import plain
from ftl.deploy.observe.cluster import observe_fleet
from ftl.engine import labels
from ftl.engine.values import EngineInfo
from ftl.errors import FtlError, UsageError
from ftl.events import Event, Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.processes.exec import execute
from ftl.operations.selection import select_container
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.operations.stage import PROJECT, add

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.values import ContainerState


def fleet(engine: FakeEngine, machine: FakeMachine | None = None, clock_ahead: float = 0.0) -> Fleet:
    """A fake server, as the only one."""
    info = EngineInfo(
        "20.10.24", "1.41", "linux/amd64", "overlay2", "/var/lib/docker", clock_ahead=clock_ahead
    )
    return Fleet([Session("shop.example.com", machine or FakeMachine(), engine, info)])


async def deployed(*names: str) -> FakeEngine:
    """Containers of the service, all of which run."""
    engine = FakeEngine()
    for name in names:
        release = next(part for part in name.split("-") if part.startswith("r"))
        await add(engine, name, "web", release=release)
    return engine


def chosen(engine: FakeEngine, replica: int | None = None) -> str:
    """Name of the selected container."""
    return run(select_container(fleet(engine), PROJECT, "web", observe=observe_fleet, replica=replica))[
        1
    ].name


def executed(
    engine: FakeEngine,
    machine: FakeMachine,
    command: Sequence[str],
    *,
    terminal: bool = False,
    clock_ahead: float = 0.0,
) -> tuple[int, list[Event]]:
    """Exit status of a command, and the events."""
    events: list[Event] = []
    status = run(
        execute(
            fleet(engine, machine, clock_ahead),
            PROJECT,
            "web",
            command,
            replica=None,
            terminal=terminal,
            environment="staging",
            observe=observe_fleet,
            emit=events.append,
        )
    )
    return status, events


def test_replicas_are_numbered_by_their_names() -> None:
    """The tenth comes after the second; without a number, the first that runs."""
    engine = run(deployed("shop-web-r1-10", "shop-web-r1-2", "shop-web-r1-1"))
    assert [chosen(engine, number) for number in (1, 2, 3)] == [
        "shop-web-r1-1",
        "shop-web-r1-2",
        "shop-web-r1-10",
    ]
    engine.by_name["shop-web-r1-1"].end(3, stopped=True)
    assert chosen(engine) == "shop-web-r1-2"


def test_a_replica_that_is_not_there_is_a_mistake() -> None:
    """The hint has their number."""
    with pytest.raises(UsageError) as error:
        chosen(run(deployed("shop-web-r1")), 2)
    assert error.value.message == "there is no replica 2 of web"
    assert "1 replica" in (error.value.hint or "")


def test_a_stopped_container_and_none_at_all_are_failures() -> None:
    """The hint says what to look at, or that a deploy is needed."""
    engine = run(deployed("shop-web-r1"))
    engine.by_name["shop-web-r1"].end(3, stopped=True)
    with pytest.raises(FtlError, match=r"web-r1 does not run on shop\.example\.com") as stopped:
        chosen(engine)
    assert "ftl logs web" in (stopped.value.hint or "")
    with pytest.raises(FtlError, match="shop is not deployed") as never:
        chosen(FakeEngine())
    assert plain(never.value.hint or "") == "`ftl deploy` creates the first release"


def test_an_unknown_name_gets_a_suggestion() -> None:
    """Of what is deployed."""
    with pytest.raises(UsageError) as error:
        run(select_container(fleet(run(deployed("shop-web-r1"))), PROJECT, "wbe", observe=observe_fleet))
    assert error.value.hint == "did you mean `web`?"


def test_arguments_reach_the_container_as_they_are() -> None:
    """By its ID, with the engine pinned, as separate words; the exit status is the command's."""
    engine = run(deployed("shop-web-r1"))
    machine = FakeMachine()
    machine.answer("ftl-exec", answer=CommandOutput(exit_code=7))
    status, events = executed(engine, machine, ["printf", "%s", "a b;'\n"])
    assert (status, events) == (7, [])
    attached = next(command for command in machine.commands if "ftl-exec" in command)
    container = engine.by_name["shop-web-r1"].id
    assert attached[-4:] == (container, "printf", "%s", "a b;'\n")
    assert attached[-10:-4] == ("-e", "FTL_ENV=staging", "-e", "FTL_RELEASE=r1", "-e", "FTL_SERVICE=web")
    assert machine.engine_socket in attached
    assert machine.terminals == [False]


def test_the_guard_hears_of_the_orderly_end() -> None:
    """It has the container and the command's token, and gets the last word."""
    engine = run(deployed("shop-web-r1"))
    machine = FakeMachine()
    machine.answer("ftl-guard", answer=CommandOutput(stays=True))
    executed(engine, machine, ["true"], terminal=True)
    guard = next(command for command in machine.commands if "ftl-guard" in command)
    attached = next(command for command in machine.commands if "ftl-exec" in command)
    assert guard[-3:-1] == ("exec", engine.by_name["shop-web-r1"].id)
    assert guard[-1] in attached
    assert machine.processes[0].received.endswith(b"done\n")
    assert machine.terminals == [True]


def test_the_guard_gets_no_last_word_of_a_failure() -> None:
    """Where the connection broke, it has to end the command."""
    engine = run(deployed("shop-web-r1"))
    machine = FakeMachine()
    machine.answer("ftl-guard", answer=CommandOutput(stays=True))
    machine.answer("ftl-exec", answer=CommandOutput(error=FtlError("lost")))
    with pytest.raises(FtlError, match="lost"):
        executed(engine, machine, ["true"])
    assert b"done" not in machine.processes[0].received


@pytest.mark.parametrize("status", [126, 127])
def test_an_image_without_a_shell_needs_a_command(status: int) -> None:
    """The docker CLI's own message would not say what to do."""
    engine = run(deployed("shop-web-r1"))
    machine = FakeMachine()
    machine.answer("ftl-exec", answer=CommandOutput(exit_code=status))
    with pytest.raises(FtlError, match="the image of web has no shell") as error:
        executed(engine, machine, [])
    assert "ftl exec web -- " in (error.value.hint or "")
    assert executed(engine, machine, ["nonesuch"]) == (status, [])


def test_a_container_that_stops_meanwhile_is_noted() -> None:
    """The exit status is still the command's."""
    engine = run(deployed("shop-web-r1"))
    machine = FakeMachine()
    machine.answer("ftl-exec", answer=CommandOutput(exit_code=137))

    async def attach(argv: Sequence[str], *, terminal: bool) -> int:
        engine.by_name["shop-web-r1"].end(1, stopped=True)
        return 137

    machine.attach = attach  # type: ignore[method-assign]
    assert executed(engine, machine, ["sleep", "9"]) == (
        137,
        [Note("web-r1 stopped (1), which ended the command")],
    )


@pytest.mark.parametrize(
    ("seconds", "notes"),
    [(-1, [Note("web-r1 stopped, which ended the command; it is running again")]), (60, [])],
)
def test_a_container_that_was_started_again_is_noted(seconds: float, notes: list[Note]) -> None:
    """One that the engine started after the command began is named; one that ran all the time is not."""
    engine = run(deployed("shop-web-r1"))
    state = run(engine.container("shop-web-r1"))
    assert state is not None
    machine = FakeMachine()
    machine.answer("ftl-exec", answer=CommandOutput(exit_code=137))
    clock_ahead = datetime.fromisoformat(state.started).timestamp() + seconds - time.time()
    assert executed(engine, machine, ["sleep", "9"], clock_ahead=clock_ahead) == (137, notes)


def test_labels_of_parked_dependencies_do_not_count() -> None:
    """While a deploy replaces a dependency, the one with its name is meant."""
    engine = FakeEngine()
    run(add(engine, "shop-web", "web", role=labels.ROLE_DEPENDENCY))
    run(add(engine, "shop-web.new-r2", "web", role=labels.ROLE_DEPENDENCY))
    assert chosen(engine) == "shop-web"


@pytest.mark.parametrize(
    ("removed", "words"),
    [(False, "web-r1 stopped (137), which ended the command"), (True, "web-r1 was removed")],
)
def test_a_container_that_stops_under_a_command_is_named(removed: bool, words: str) -> None:
    """The command's status is kept: 137 where the engine killed it, 1 where it could not even start it."""
    engine = run(deployed("shop-web-r1", "shop-web-r1-2"))

    class Stopping(FakeMachine):
        """The container ends between its choice and the command."""

        async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:
            if removed:
                await engine.remove("shop-web-r1", force=True)
            else:
                engine.by_name["shop-web-r1"].end(137, stopped=True)
            return await super().attach(argv, terminal=terminal)

    machine = Stopping()
    machine.answer("ftl-exec", answer=CommandOutput(exit_code=137))
    status, events = executed(engine, machine, ["sleep", "60"])
    assert status == 137
    (note,) = events
    assert isinstance(note, Note)
    assert words in note.text
    assert engine.by_name["shop-web-r1-2"].state == "running"


def on_several(**containers: str) -> Fleet:
    """Servers with a replica each, by the state of its container."""
    info = EngineInfo("26.1.0", "1.45", "linux/amd64", "overlay2", "/var/lib/docker")
    sessions = []
    for number, (host, state) in enumerate(containers.items(), 1):
        engine = FakeEngine(name=host)
        if state:
            label_map = {labels.SWARM_TASK: f"t{number}", labels.SWARM_SERVICE: "s1"}
            name = f"shop-web-r1.{number}.t{number}"
            run(add(engine, name, "web", release="r1", more={**label_map, labels.SWARM_TASK_NAME: name}))
            if state != "running":
                engine.by_name[name].end(1, stopped=True)
        sessions.append(Session(host, FakeMachine(host), engine, info))
    return Fleet(sessions)


def test_of_several_servers_one_that_runs_it_is_taken() -> None:
    """Replicas are numbered across servers, by their slots; tasks that ended do not count."""
    servers = on_several(a="", b="exited", c="running", d="running")
    assert run(select_container(servers, PROJECT, "web", observe=observe_fleet))[0].name == "c"
    session, container = run(select_container(servers, PROJECT, "web", observe=observe_fleet, replica=2))
    assert (session.name, container.name) == ("d", "shop-web-r1.4.t4")
    with pytest.raises(UsageError) as error:
        run(select_container(servers, PROJECT, "web", observe=observe_fleet, replica=3))
    assert error.value.hint == "a, b, c, d have 2 replicas of it"


def test_a_container_that_is_seen_to_stop_late_is_noted() -> None:
    """A busy engine says that the command was killed before it says that its container has stopped."""
    engine = run(deployed("shop-web-r1"))
    looks = 0
    look = engine.container

    async def late(name: str) -> ContainerState | None:
        nonlocal looks
        looks += 1
        if looks == 2:
            engine.by_name["shop-web-r1"].end(137, stopped=True)
        return await look(name)

    engine.container = late  # type: ignore[method-assign]
    machine = FakeMachine()
    machine.answer("ftl-exec", answer=CommandOutput(exit_code=137))
    note = Note("web-r1 stopped (137), which ended the command")
    assert executed(engine, machine, ["sleep", "9"]) == (137, [note])
    assert looks == 2
