"""Logs of several containers: their order, and following without losing or repeating a line."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ftl.common.next_step import plain
from ftl.engine import labels
from ftl.errors import EngineError, EngineUnavailable, FtlError, UsageError
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.operations.views.logs.reading import LogServer, read_logs, shifted
from ftl.releases.record import KeptLine, ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.operations.stage import PROJECT, add, log
from tests.unit.operations.views.logs.stage import NAMES, WARNINGS, read, shop, texts


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    """Each test begins without."""
    WARNINGS.clear()


def test_lines_of_all_containers_are_merged_by_time() -> None:
    """Each with its container's name less the project's, which tells replicas apart."""
    entries = read(run(shop()))
    assert texts(entries) == "abcdef"
    assert [entry.name for entry in entries[:3]] == ["web-r1-1", "web-r1-2", "db"]
    assert entries[2].service == "db"


def test_names_are_announced_before_the_first_line() -> None:
    """Those of all containers that are read, also of one without a line: a prefix can be as wide from the beginning."""
    order: list[str] = []
    query = LogQuery(PROJECT, NAMES, found=lambda names: order.extend(f"name {name}" for name in names))

    async def work() -> None:
        engine = await shop()
        await read_logs([LogServer(engine)], query, lambda entry: order.append(entry.text), WARNINGS.append)

    run(work())
    assert order[:3] == ["name db", "name web-r1-1", "name web-r1-2"]
    assert "".join(order[3:]) == "abcdef"


def test_lines_of_one_moment_keep_the_order_of_their_container() -> None:
    """The engine's times are not always different."""
    engine = run(shop())
    for text in "ghi":
        log(engine, "shop-db", 6, text)
    log(engine, "shop-web-r1-1", 6, "x")
    shown = texts(read(engine))
    assert shown.replace("x", "") == "abcdefghi"
    assert "x" in shown[6:]


@pytest.mark.parametrize(("tail", "shown"), [(0, ""), (1, "f"), (4, "cdef"), (100, "abcdef")])
def test_the_tail_is_of_the_merged_log(tail: int, shown: str) -> None:
    """Not of each container's."""
    assert texts(read(run(shop()), tail=tail)) == shown


def test_lines_before_a_time_are_left_out() -> None:
    """`since` includes the moment that it names."""
    assert texts(read(run(shop()), since="2026-01-02T03:04:04.000000000Z")) == "def"


def test_only_the_projects_services_and_dependencies_are_read() -> None:
    """Not its hooks, nor another project's containers of the same service."""
    engine = run(shop())
    run(add(engine, "shop-web-hook", "web", role=labels.ROLE_HOOK))
    run(add(engine, "blog-web-r1", "web", more={labels.PROJECT: "blog"}))
    log(engine, "shop-web-hook", 1, "X")
    log(engine, "blog-web-r1", 1, "Y")
    assert texts(read(engine)) == "abcdef"


def test_nothing_to_read_is_an_error() -> None:
    """It names what was asked for, and what to do."""
    with pytest.raises(FtlError, match="no container of web, db runs on") as raised:
        read(FakeEngine())
    assert plain(raised.value.hint or "") == "`ftl deploy` starts it"


@pytest.mark.parametrize("status", [404, 409])
def test_a_container_that_is_removed_meanwhile_is_passed_over(status: int) -> None:
    """A deploy removes old ones while their log is read."""
    engine = run(shop())
    engine.fail("logs", EngineError("gone", status=status), number=2)
    assert texts(read(engine)) == "bcef"


def test_a_log_that_cannot_be_read_is_named_and_the_others_are_shown() -> None:
    """As where a container has the log driver `none`; an engine that does not answer is an error."""
    engine = run(shop())
    refused = EngineError("no", status=501, cause="configured logging driver does not support reading")
    engine.fail("logs", refused, number=2)
    assert texts(read(engine)) == "bcef"
    assert WARNINGS == [
        "the log of web-r1-1 cannot be read: configured logging driver does not support reading"
    ]
    engine.fail("logs", EngineUnavailable("lost"), number=5)
    with pytest.raises(EngineUnavailable, match="lost"):
        read(engine)


def test_lines_after_a_time_are_left_out() -> None:
    """`until` includes the moment that it names."""
    assert texts(read(run(shop()), until="2026-01-02T03:04:03.000000000Z")) == "abc"


def test_only_lines_that_match_count() -> None:
    """Also for the tail: the last lines of those that match."""
    wanted = re.compile("[acf]").search
    assert texts(read(run(shop()), matches=wanted)) == "acf"
    assert texts(read(run(shop()), matches=wanted, tail=2)) == "cf"


def test_containers_of_one_release() -> None:
    """Without dependencies, which belong to none."""
    engine = run(shop())
    run(add(engine, "shop-web-r2", "web", release="r2"))
    log(engine, "shop-web-r2", 7, "g")
    entries = read(engine, release="r2")
    assert [(entry.text, entry.release) for entry in entries] == [("g", "r2")]
    assert texts(read(engine, release="r1")) == "abde"


def test_a_command_of_ftl_run_is_read_by_its_own_name() -> None:
    """Its output is not that of the service."""
    engine = run(shop())
    run(add(engine, "shop-web-run-0a1b2c3d", "web", role=labels.ROLE_RUN))
    log(engine, "shop-web-run-0a1b2c3d", 7, "g")
    assert texts(read(engine)) == "abcdef"
    entries: list[LogEntry] = []
    query = LogQuery(PROJECT, ("web-run-0a1b2c3d",))
    run(read_logs([LogServer(engine)], query, entries.append, WARNINGS.append))
    assert texts(entries) == "g"


def test_a_failed_release_has_the_last_lines_of_its_containers() -> None:
    """They are gone, and their lines are in its record; of others nothing is left."""
    engine = run(shop())
    run(ensure_store(engine, "shop-web:r1"))
    line = KeptLine("web", "web-r2", "stderr", "2026-01-02T03:04:05.000000000Z", "no database")
    failed = ReleaseRecord("r2", "failed", 0.0, logs=(line, replace(line, text="bye")))
    for record in (failed, ReleaseRecord("r3", "live", 0.0)):
        run(write_record(engine, PROJECT, record))
    assert [(entry.name, entry.text) for entry in read(engine, release="r2")] == [
        ("web-r2", "no database"),
        ("web-r2", "bye"),
    ]
    assert texts(read(engine, release="r2", tail=1)) == "bye"
    with pytest.raises(FtlError, match="no container of web, db in r3 is left"):
        read(engine, release="r3")
    with pytest.raises(UsageError, match="there is no release `r9`"):
        read(engine, release="r9")


def test_lines_of_several_servers_are_merged_by_the_clock_of_the_first() -> None:
    """A clock that is 2.5 s ahead moves neither its lines nor the range that is asked for; each names its server."""
    first, second = FakeEngine(), FakeEngine()
    for engine, name, seconds in ((first, "web-r1.1", (1, 4)), (second, "web-r1.2", (2, 5))):
        run(add(engine, f"shop-{name}", "web"))
        for second_of_minute in seconds:
            log(engine, f"shop-{name}", second_of_minute, str(second_of_minute))
    servers = [LogServer(first, "a"), LogServer(second, "b", ahead=2.5)]

    def merged(**options: object) -> list[tuple[str, str]]:
        entries: list[LogEntry] = []
        run(read_logs(servers, LogQuery(PROJECT, NAMES, **options), entries.append, WARNINGS.append))  # type: ignore[arg-type]
        return [(entry.server, entry.text) for entry in entries]

    assert merged() == [("b", "2"), ("a", "1"), ("b", "5"), ("a", "4")]
    assert merged(tail=1) == [("a", "4")]


@pytest.mark.parametrize(
    ("time", "seconds", "moved"),
    [
        ("2026-01-31T12:00:00.123456789Z", 1.5, "2026-01-31T12:00:01.623456789Z"),
        ("2026-01-31T12:00:00Z", -0.25, "2026-01-31T11:59:59.750000000Z"),
        ("2026-12-31T23:59:59.9+00:00", 0.2, "2027-01-01T00:00:00.100000000Z"),
    ],
)
def test_a_time_is_moved_with_its_nanoseconds(time: str, seconds: float, moved: str) -> None:
    """Engines write nine digits, and people fewer."""
    assert shifted(time, seconds) == moved
