"""Relay between servers: who joins, who is left out, and that no token is in an argument."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.image.transfer.relay import Relay
from ftl.image.transfer.staging import StagedImages
from tests.support.clock import run
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess
from tests.unit.image.transfer.test_destination import destination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.transfer.destination import Destination

NETWORK = "ftl-c-shop"
AT = b"ftl-relay at 10.93.0.2 40001\n"


def servers(send: CommandOutput, *takes: CommandOutput) -> list[Destination]:
    """Servers whose scripts print this."""
    found = [destination(name) for name in "abcd"[: 1 + len(takes)]]
    for server, answer in zip(found, (send, *takes), strict=True):
        machine(server).answer(NETWORK, answer=answer)
    return found


def machine(server: Destination) -> FakeMachine:
    """The fake behind a server."""
    assert isinstance(server.machine, FakeMachine)
    return server.machine


def process(server: Destination) -> FakeProcess:
    """The script on a server."""
    return machine(server).processes[0]


def names(found: Sequence[Destination]) -> list[str]:
    """Their names."""
    return [server.name for server in found]


STAYS = CommandOutput(stays=True)


def test_those_that_reach_the_first_get_the_stream() -> None:
    """Each is told where to connect on its stdin; a server that cannot start its script is left to the caller."""

    async def check() -> None:
        send = CommandOutput(
            stdout=b"Welcome\n" + AT + b"ftl-relay joined 2\nftl-relay joined 1\n", stays=True
        )
        first, *others = servers(send, STAYS, STAYS, CommandOutput(error=ServerError("gone", cause="reset")))
        async with Relay(NETWORK, [first, *others], "shop") as relay:
            assert names(relay.joined) == ["c", "b"]
            assert relay.lost == {"d": "reset"}
            assert relay.stores == ("overlay2", "overlay2")
            feed = await relay.begin()
            assert feed.process is process(first)
            feed.update(b"said")
            feed.end()
        token = process(first).received.split(b"\n")[0]
        assert process(first).received == token + b"\ngo\n"
        assert len(token) == 32
        said = f"4 {hashlib.sha256(b'said').hexdigest()}\n0\n".encode()
        assert process(others[0]).received == token + b" 1 10.93.0.2 40001\n" + said
        assert process(others[1]).received == token + b" 2 10.93.0.2 40001\n" + said
        for server in (first, *others):
            assert not any(token.decode() in word for command in machine(server).commands for word in command)
        assert all(process(server).returncode is not None for server in (first, *others[:2]))

    run(check())


def test_a_stranger_who_says_that_another_has_joined_is_not_believed() -> None:
    """Who has read the token can say the number of nobody, or of one who is there: the wait ends."""

    async def check(number: bytes) -> None:
        send = CommandOutput(
            stdout=AT + b"ftl-relay joined 1\nftl-relay joined " + number + b"\n", stays=True
        )
        async with Relay(NETWORK, servers(send, STAYS, STAYS), "shop") as relay:
            assert names(relay.joined) == ["b"]
            assert set(relay.lost) == {"c"}

    for number in (b"1", b"9", b"x", "\u0663".encode()):
        run(check(number))


def test_one_that_does_not_reach_it_is_not_waited_for() -> None:
    """Its script has ended; another one is silent, and is given up after a while."""

    async def check() -> None:
        send = CommandOutput(stdout=AT + b"ftl-relay joined 1\n", stays=True)
        found = servers(send, STAYS, CommandOutput(1, stderr=b"does not answer\n"))
        async with Relay(NETWORK, found, "shop") as relay:
            assert names(relay.joined) == ["b"]
            assert relay.lost == {"c": "it does not reach a in the servers' network: does not answer"}
        found = servers(CommandOutput(stdout=AT, stays=True), STAYS)
        async with Relay(NETWORK, found, "shop") as relay:
            assert relay.joined == []
            assert set(relay.lost) == {"b"}
            assert process(found[1]).returncode is not None

    run(check())


def test_a_first_server_that_cannot_pass_anything_on() -> None:
    """It says so, says nothing, or its script does not start: the others are left to the caller."""

    async def check(send: CommandOutput) -> None:
        found = servers(send, STAYS, STAYS)
        async with Relay(NETWORK, found, "shop") as relay:
            assert relay.joined == []
            assert set(relay.lost) == {"b", "c"}
        assert all(process(server).returncode is not None for server in found[1:])

    for send in (
        CommandOutput(stdout=b"ftl-relay failed\n", stays=True),
        STAYS,
        CommandOutput(1),
        CommandOutput(error=ServerError("gone")),
    ):
        run(check(send))


def test_what_the_engine_of_another_server_does_not_take_is_its_own_failure() -> None:
    """The rest settles; nobody has a tag that was not verified."""

    async def check() -> None:
        send = CommandOutput(stdout=AT + b"ftl-relay joined 1\nftl-relay joined 2\n", stays=True)
        first, damaged, empty = servers(
            send, CommandOutput(1, stderr=b"ftl: layer x is damaged\n", stays=True), STAYS
        )
        staged = StagedImages(first.engine, 1, first.info.now)
        (tag,) = staged.tags
        async with Relay(NETWORK, [first, damaged, empty], "shop") as relay:
            process(damaged).end(1)
            process(empty).end(0)  # it has loaded nothing
            await relay.verify_and_publish(
                staged, {"overlay2": {tag: "sha256:1"}}, {tag: ()}, {tag: "shop-web:r1"}
            )
            assert relay.finished == []
            assert "layer x is damaged" in relay.lost["b"]
            assert "does not list the image" in relay.lost["c"]
        for server in (damaged, empty):
            assert await server.engine.image("shop-web:r1") is None

    run(check())
