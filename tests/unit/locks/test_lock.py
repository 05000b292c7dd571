"""The locks against scripted answers of the server, in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.child import Completed
from ftl.errors import LockTaken, ServerError
from ftl.events import Note
from ftl.locks.lock import ANSWER, HEARTBEAT, DeployLock, ProxyLock
from ftl.locks.script_lines import SHOWN, Holder
from tests.support.clock import run
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from ftl.events import Event

ENGINE_ID = "7TRN:IPZB:QYBB"


class LockServer(FakeMachine):
    """A server whose script gives these answers in turn, the last one again and again."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.lines = list(lines)

    def next_line(self) -> str:
        """The next answer."""
        return self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]

    async def start(self, argv: Sequence[str]) -> Process:
        """Answer at once; the lock is held until the input is closed."""
        self.commands.append(tuple(argv))
        line = self.next_line()
        process = FakeProcess(CommandOutput(stdout=f"{line}\n".encode(), stays=line == "mine"))
        self.processes.append(process)
        return process

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Answer at once."""
        self.commands.append(tuple(argv))
        self.inputs.append(stdin)
        return Completed(tuple(argv), 0, f"{self.next_line()}\n".encode(), b"")


def lock(machine: FakeMachine) -> DeployLock:
    """The lock of the project `shop`."""
    return DeployLock(machine, "shop", ENGINE_ID)


def take(
    machine: FakeMachine, *, wait: float = 0.0, seconds: float = 0.0, holder: str = "me"
) -> tuple[list[Event], float]:
    """Hold the lock for some seconds; the events, and the time when the lock was ours."""
    events: list[Event] = []

    async def work() -> float:
        async with lock(machine).taken(holder, wait=wait, emit=events.append) as heartbeat:
            taken = asyncio.get_running_loop().time()
            if seconds:
                await asyncio.wait({heartbeat}, timeout=seconds)
            if heartbeat.done():
                heartbeat.result()
            return taken

    return events, run(work())


def test_a_free_lock_is_taken_at_once_and_released_at_the_end() -> None:
    """Closing the input of the server's command releases the lock."""
    machine = LockServer("mine")
    assert take(machine) == ([], 0.0)
    assert [process.returncode for process in machine.processes] == [0]


def test_heartbeats_are_sent_while_the_lock_is_held() -> None:
    """The server's command hears of us again and again, and would end without."""
    machine = LockServer("mine")
    take(machine, seconds=3.5 * HEARTBEAT)
    assert machine.processes[0].received.endswith(b"me\n" + 4 * b"beat\n")


def test_a_lock_that_is_held_is_an_error() -> None:
    """Without a wait it is raised at once, and says who holds the lock."""
    with pytest.raises(LockTaken, match="has been locked by ann since 12:00") as raised:
        take(LockServer("held ann since 12:00"))
    assert raised.value.holder == "ann since 12:00"
    assert "--wait-lock" in (raised.value.hint or "")


def test_waiting_is_noted_once() -> None:
    """However many attempts it takes."""
    events, taken = take(LockServer("held ann", "held ann", "held ann", "mine"), wait=60)
    assert events == [Note("waiting for the lock of shop: ann")]
    assert taken == 6.0


def test_a_script_that_goes_on_is_waited_for_like_its_ftl() -> None:
    """A deploy that is killed while we wait for it is one more thing to tell."""
    server = "the server (takes back the deploy of ann)"
    lines = ("held ann", "held ann", f"goes-on {server}", f"goes-on {server}", "mine")
    events, _ = take(LockServer(*lines), wait=60)
    assert events == [
        Note("waiting for the lock of shop: ann"),
        Note(f"waiting for the lock of shop: {server}"),
    ]
    with pytest.raises(
        LockTaken, match=r"shop on .* is still being changed by the server \(takes back"
    ) as raised:
        take(LockServer(f"goes-on {server}"))
    assert raised.value.holder == server
    assert run(lock(LockServer(f"goes-on {server}")).holder()) == Holder(server, goes_on=True)


def test_who_looks_is_told_why_nobody_can_have_the_lock() -> None:
    """A plan that is going to be refused does not look as if nobody had it."""
    foreign = LockServer("foreign /run/lock/ftl-1f.lock fifo of eve, mode 666")
    with pytest.raises(ServerError) as raised:
        run(lock(foreign).holder())
    assert raised.value.cause == "no user of the engine made /run/lock/ftl-1f.lock: fifo of eve, mode 666"


def test_the_proxy_has_a_lock_of_its_own() -> None:
    """All projects of the server share it; FTL 0.1.0 has none of that name."""
    with pytest.raises(LockTaken, match=r"the proxy on .* has been locked by a deploy") as raised:
        run(_enter(ProxyLock(LockServer("held a deploy"), "ftl-proxy", ENGINE_ID)))
    assert raised.value.hint == "try again later"
    machine = LockServer("mine")
    proxy = ProxyLock(machine, "ftl-proxy", ENGINE_ID)
    run(_enter(proxy))
    assert proxy.key != lock(machine).key
    assert machine.processes[0].received.startswith(f"{proxy.key}\n\nme\n".encode())


async def _enter(held: ProxyLock) -> None:
    async with held.taken("me", wait=0, emit=lambda _: None):
        pass


def test_the_wait_is_bounded() -> None:
    """The last attempt is made when it is over, not before and not long after."""
    machine = LockServer("held ann")

    async def work() -> float:
        with pytest.raises(LockTaken):
            async with lock(machine).taken("me", wait=5, emit=lambda _: None):
                pass
        return asyncio.get_running_loop().time()

    assert run(work()) == 5.0
    assert len(machine.processes) == 4


def test_a_holder_without_a_name_is_someone() -> None:
    """The file may not have been written yet."""
    with pytest.raises(LockTaken, match="by someone"):
        take(LockServer("held"))
    assert run(lock(LockServer("held")).holder()) == Holder("someone")


def test_a_lost_lock_ends_the_heartbeat_with_an_error() -> None:
    """Work under the lock can wait for that task, to be cancelled with it."""
    machine = LockServer("mine")

    async def work() -> None:
        async with lock(machine).taken("me", wait=0, emit=lambda _: None) as heartbeat:
            await asyncio.sleep(12)
            machine.processes[0].end(255)
            with pytest.raises(ServerError, match="was lost"):
                await heartbeat

    run(work())


def test_a_silent_server_is_an_error() -> None:
    """A machine that froze after the connection was up is a server out of reach, and nothing is left running."""
    machine = FakeMachine()
    machine.answer("ftl-deploy-lock", answer=CommandOutput(stays=True))

    async def work() -> float:
        with pytest.raises(ServerError, match="does not answer"):
            async with lock(machine).taken("me", wait=0, emit=lambda _: None):
                pass
        return asyncio.get_running_loop().time()

    assert run(work()) == ANSWER
    assert machine.processes[0].returncode is not None


def test_a_command_that_ends_without_an_answer_is_an_error() -> None:
    """It is neither the lock nor a holder."""
    machine = FakeMachine()
    with pytest.raises(ServerError, match="cannot take the deploy lock") as raised:
        take(machine)
    assert raised.value.cause == "the command ended without an answer"
    with pytest.raises(ServerError, match="cannot take the deploy lock"):
        run(lock(machine).holder())


def test_a_server_without_flock_is_an_error() -> None:
    """The reason is the server's."""
    with pytest.raises(ServerError) as raised:
        take(LockServer("failed there is no `flock` on the server"))
    assert raised.value.cause == "there is no `flock` on the server"


def test_a_foreign_file_is_named_with_the_way_out() -> None:
    """It lies where the lock's file should be."""
    with pytest.raises(ServerError) as raised:
        take(LockServer("foreign /run/lock/ftl-1f.lock fifo of eve, mode 666"))
    assert raised.value.cause == "no user of the engine made /run/lock/ftl-1f.lock: fifo of eve, mode 666"
    assert raised.value.hint == "on shop.example.com: `sudo rm -r /run/lock/ftl-1f.lock`"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b]52;c;ZXZpbA==\x07\x1b[2Jroot", "]52;c;ZXZpbA== [2Jroot"),
        ("a\u202eb\u200bc", "a b c"),
        ("x" * 1000, "x" * (SHOWN - 3) + "..."),
        ("Jörg since 12:00", "Jörg since 12:00"),
    ],
)
def test_a_holders_name_is_shown_harmlessly(written: str, shown: str) -> None:
    """Other users of the server write it: no control characters, no bidi marks, one bounded line."""
    assert run(lock(LockServer(f"held {written}")).holder()) == Holder(shown)


def test_a_name_with_a_newline_stays_one_line_of_the_request() -> None:
    """What follows in the input are heartbeats."""
    machine = LockServer("mine")
    take(machine, holder="me\nbeat\nyou")
    key, *rest = machine.processes[0].received.splitlines()[:3]
    assert rest == [b"shop", b"me beat you"]
    assert len(key) == 64


def test_the_engines_id_is_not_shown_to_other_users() -> None:
    """Arguments are visible to all users of a server; the key goes by stdin, and is another for each project."""
    machine = LockServer("free")
    run(lock(machine).holder())
    run(DeployLock(machine, "blog", ENGINE_ID).holder())
    one, other = ((content or b"").split(b"\n")[0] for content in machine.inputs)
    assert one != other
    words = b" ".join(word.encode() for command in machine.commands for word in command)
    for secret in (ENGINE_ID.encode(), one, other):
        assert secret not in words
    assert ENGINE_ID.encode() not in b"".join(content or b"" for content in machine.inputs)
