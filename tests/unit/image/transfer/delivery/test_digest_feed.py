"""Digests of a stream, as its receivers are told them."""

from __future__ import annotations

import hashlib
import random

from ftl.image.transfer.delivery.digest_feed import PART, DigestFeed
from tests.support.clock import run
from tests.support.fake_machine import CommandOutput, FakeProcess


def test_each_part_of_the_stream_has_its_digest_however_it_was_written() -> None:
    """One who has gone is passed over: the others are told all the same."""
    stream = random.Random(2).randbytes(2 * PART + 77)

    async def check() -> None:
        process, here, gone = (FakeProcess(CommandOutput(stays=True)) for _ in range(3))
        assert here.stdin is not None
        assert gone.stdin is not None
        gone.end(1)
        feed = DigestFeed(process, [gone.stdin, here.stdin])
        for start, end in ((0, 10), (10, PART), (PART, len(stream))):
            feed.update(stream[start:end])
        feed.end()
        parts = [stream[:PART], stream[PART : 2 * PART], stream[2 * PART :]]
        lines = [f"{len(part)} {hashlib.sha256(part).hexdigest()}" for part in parts]
        assert here.received.decode().splitlines() == [*lines, "0"]
        assert process.received == b""

    run(check())
