"""Requests of a project as lines, and as they come."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult
from ftl.errors import EngineError, FtlError
from ftl.host.session import Session
from ftl.operations.views.logs.access import POLLED, Access, AccessFollower, line_of, read_access
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.proxy.names import ACCESS_LOG
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.stage import PROJECT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

ENTRY = Access(1767323045.25, "web", "203.0.113.9", "GET", "shop.example.com", "/cart", 200, 0.0124, 5120)


class Log:
    """The proxy's access log on a fake engine, which reads it as the proxy does.

    Attributes:
        entries: They are written when the log is read, or rotated.
        broken: Its reading is cut.
    """

    def __init__(self, *entries: Access) -> None:
        self.entries = list(entries)
        self.broken = False
        self.engine = FakeEngine()
        self.engine.on_execute = lambda _name, argv: self._answer(argv)
        self._folder = TemporaryDirectory()
        self._file = Path(self._folder.name) / "access.log"
        self._written = 0
        self._rotations = 0

    @property
    def session(self) -> Session:
        return Session("shop.example.com", FakeMachine(), self.engine, INFO)

    async def start(self) -> None:
        """Run the proxy."""
        self.engine.add_image("caddy:2")
        await self.engine.create("ftl-proxy", ContainerSpec(image="caddy:2", labels={}))
        await self.engine.start("ftl-proxy")

    def write(self, text: str = "") -> None:
        """Write the entries that are not written yet, and a text."""
        new = self.entries[self._written :]
        with self._file.open("a") as file:
            file.writelines(f"{_json(entry)}\n" for entry in new)
            file.write(text)
        self._written += len(new)

    def rotate(self) -> None:
        """Begin another file, as Caddy does: one earlier one stays."""
        self.write()
        for older in self._file.parent.glob("access-*"):
            older.unlink()
        self._rotations += 1
        self._file.rename(self._file.with_name(f"access-2026-01-01T00-00-{self._rotations:02}.000.log"))
        self._file.touch()

    def _answer(self, argv: Sequence[str]) -> ExecResult:
        self.write()
        words = [str(self._file) if word == ACCESS_LOG else word for word in argv]
        done = subprocess.run(words, capture_output=True, check=False, timeout=20)
        assert done.stderr == b""
        if self.broken:
            return ExecResult(137, done.stdout[: len(done.stdout) // 2], b"")
        return ExecResult(done.returncode, done.stdout, done.stderr)


def _json(entry: Access) -> str:
    request = {
        "remote_ip": entry.client,
        "method": entry.method,
        "host": entry.host,
        "uri": entry.path,
    }
    return json.dumps(
        {
            "ts": entry.time,
            "ftl": f"{PROJECT}/{entry.service}",
            "request": request,
            "status": entry.status,
            "duration": entry.seconds,
            "size": entry.size,
        },
        separators=(",", ":"),
    )


def shown(log: Log, **options: object) -> list[str]:
    """Paths of the requests that are shown."""

    async def work() -> list[LogEntry]:
        await log.start()
        lines: list[LogEntry] = []
        query = LogQuery(PROJECT, ("web",), **options)  # type: ignore[arg-type]
        await read_access(log.session, query, lines.append)
        return lines

    return [line.text.split()[2].removeprefix("shop.example.com") for line in run(work())]


def test_a_request_as_a_line() -> None:
    """Client, method, address, status, duration, size; its time is the end of the request."""
    line = line_of(ENTRY)
    assert line.text == "203.0.113.9 GET shop.example.com/cart 200 12 ms 5.1 kB"
    assert (line.service, line.time) == ("web", "2026-01-02T03:04:05.250000000Z")
    assert "client left 3.0 s 0 B" in line_of(replace(ENTRY, status=0, seconds=3, size=0)).text


def test_only_requests_of_the_projects_services() -> None:
    """By time; another service's are left out, and what is no entry."""
    log = Log(
        replace(ENTRY, path="/b", time=2.0),
        replace(ENTRY, path="/a", time=1.0),
        replace(ENTRY, service="api"),
        replace(ENTRY, service=""),
    )
    assert shown(log) == ["/a", "/b"]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"tail": 1}, ["/3"]),
        ({"since": "1970-01-01T00:00:02.000000000Z"}, ["/2", "/3"]),
        ({"until": "1970-01-01T00:00:02.000000000Z"}, ["/1", "/2"]),
        ({"matches": lambda text: "/2" in text}, ["/2"]),
    ],
)
def test_requests_are_chosen_as_lines_are(options: dict[str, object], paths: list[str]) -> None:
    """By number, time and text."""
    log = Log(*(replace(ENTRY, path=f"/{number}", time=float(number)) for number in (1, 2, 3)))
    assert shown(log, **options) == paths


def numbered(numbers: Iterable[int], service: str = "web") -> list[Access]:
    """Requests with a number as their path."""
    return [
        replace(ENTRY, service=service, path=f"/{number}", time=1.0 + number / 1000) for number in numbers
    ]


def followed(
    log: Log, work: Callable[[], Awaitable[None]], *, seen: Callable[[LogEntry], None] = lambda _: None
) -> tuple[list[int], list[str]]:
    """The requests' numbers as they are shown while something happens, and warnings."""

    async def follow() -> tuple[list[int], list[str]]:
        await log.start()
        numbers, warnings = list[int](), list[str]()

        def show(line: LogEntry) -> None:
            numbers.append(int(line.text.split(" ")[2].rpartition("/")[2]))
            seen(line)

        follower = AccessFollower(LogQuery(PROJECT, ("web",)), show, warnings.append)
        task = asyncio.ensure_future(follower.follow(log.session))
        await asyncio.sleep(1.5)
        await work()
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return numbers, warnings

    return run(follow())


def test_following_shows_each_request_once() -> None:
    """Also those of the moment of the last one that was shown."""
    log = Log(*numbered([1]))

    async def work() -> None:
        log.entries.append(replace(ENTRY, path="/2", time=log.entries[0].time))
        await asyncio.sleep(1)
        log.entries += numbered([3])

    assert followed(log, work) == ([1, 2, 3], [])


def test_a_request_that_comes_while_the_past_is_shown_is_shown() -> None:
    """Following goes on where the past has ended."""
    log = Log(*numbered([1]))

    def more(_: LogEntry) -> None:
        if len(log.entries) == 1:
            log.entries += numbered([2, 3])

    async def work() -> None:
        pass

    assert followed(log, work, seen=more) == ([1, 2, 3], [])


@pytest.mark.parametrize("others", ["api", "web"])
def test_no_request_of_a_busy_proxy_is_left_out(others: str) -> None:
    """Of one service among others, and of more than a look reads."""
    log = Log(*numbered([0]))
    expected = [0]

    async def work() -> None:
        nonlocal expected
        number = 0
        for size in (3000, POLLED + 500, 1):
            batch = range(number + 1, number + size + 1)
            log.entries += [
                entry for one in batch for entry in numbered([one], "web" if one % 2 == 0 else others)
            ]
            expected += [one for one in batch if one % 2 == 0 or others == "web"]
            number += size
            await asyncio.sleep(1)

    numbers, warnings = followed(log, work)
    assert numbers == expected
    assert warnings == []


@pytest.mark.parametrize("past", [[], [1, 2]])
def test_following_goes_on_across_rotations(past: list[int]) -> None:
    """What was written before one is shown, and nothing twice; also if the log was empty."""
    log = Log(*numbered(past))

    async def work() -> None:
        for number in (3, 6):
            log.entries += numbered([number, number + 1])
            log.rotate()
            log.entries += numbered([number + 2])
            await asyncio.sleep(2)
        log.rotate()
        await asyncio.sleep(2)

    assert followed(log, work) == ([*past, *range(3, 9)], [])


def test_a_log_that_was_rotated_twice_between_two_looks_is_noted() -> None:
    """Only there requests are left out; those that the log has are shown."""
    log = Log(*numbered([1]))

    async def work() -> None:
        for number in (2, 3):
            log.entries += numbered([number])
            log.rotate()
        log.entries += numbered([4])

    lost = "the proxy's log was rotated twice since the last look: some requests are not shown"
    assert followed(log, work) == ([1, 3, 4], [lost])


def test_an_entry_that_is_written_in_two_parts_is_shown_whole() -> None:
    """And what is none is passed over, and hides nothing."""
    log = Log(*numbered([1]))

    async def work() -> None:
        entry = f"{_json(numbered([2])[0])}\n".replace("/2", "/\x85/2")
        log.write(entry[:40])
        await asyncio.sleep(2)
        log.write(entry[40:] + f'{{"ftl":"{PROJECT}/web"}}\n')
        log.entries += numbered([3])

    assert followed(log, work) == ([1, 2, 3], [])


def test_a_reading_that_is_cut_shows_nothing_and_is_made_again() -> None:
    """The proxy ended meanwhile."""
    log = Log(*numbered([1]))

    async def follow() -> list[str]:
        await log.start()
        texts: list[str] = []
        follower = AccessFollower(LogQuery(PROJECT, ("web",)), lambda line: texts.append(line.text), print)
        task = asyncio.ensure_future(follower.follow(log.session))
        await asyncio.sleep(0.5)
        log.entries += numbered(range(2, 50))
        log.broken = True
        with pytest.raises(FtlError, match="cannot be read"):
            await task
        log.broken = False
        task = asyncio.ensure_future(follower.follow(log.session))
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.wait({task})
        return texts

    paths = [text.split()[2].rpartition("/")[2] for text in run(follow())]
    assert paths == [str(number) for number in range(1, 50)]


def test_without_a_proxy() -> None:
    """There is nothing to read."""
    log = Log()

    async def work() -> None:
        log.engine.fail("execute", EngineError("no", status=404))
        await read_access(log.session, LogQuery(PROJECT, ("web",)), lambda _: None)

    with pytest.raises(FtlError, match="no proxy runs on"):
        run(work())
