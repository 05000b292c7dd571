"""Logs of what ftl.yaml does not have any more, and a server still does."""

from __future__ import annotations

import pytest

from ftl.cli.commands.logs import _chosen
from ftl.engine import labels
from ftl.engine.values import LogLine
from ftl.errors import FtlError, UsageError
from ftl.host.fleet import Fleet
from ftl.host.job_logs import RunLog, store_run_logs
from ftl.host.session import Session
from ftl.operations.views.logs.known_names import require_known
from ftl.operations.views.logs.query import LogQuery
from ftl.releases.record import DependencyRecord, KeptLine, ReleaseRecord, ServiceRecord
from ftl.releases.store import ensure_store, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.operations.stage import PROJECT, add

OWN = ("web", "db")
OLD = ReleaseRecord(
    "r1",
    "replaced",
    1.0,
    services={"api": ServiceRecord("r1", "shop-api:r1", "sha256:1", "content", "config")},
    dependencies={"queue": DependencyRecord("queue:1", "sha256:2")},
    project={"jobs": [{"name": "nightly"}], "backups": [{"dependency": "db"}]},
    logs=(KeptLine("mailer", "shop-mailer-r1", "stdout", "2026-01-02T03:04:05Z", "no"),),
)


async def servers() -> Fleet:
    """A server that runs `worker`, a job `weekly` and a dependency `cache`, and one that has a preview's `other`."""
    first, second = FakeEngine(images=["caddy:2"]), FakeEngine(images=["caddy:2"])
    await ensure_store(first, "caddy:2")
    await write_record(first, PROJECT, OLD)
    await add(first, "shop-worker-r2", "worker")
    await add(first, "shop.job.weekly", "web", role=labels.ROLE_JOB, more={labels.JOB: "weekly"})
    await add(second, "shop-cache", "cache", role=labels.ROLE_DEPENDENCY)
    await add(second, "shop-web-r2-hook", "hooked", role=labels.ROLE_HOOK)
    return Fleet([Session("a", FakeMachine("a"), first, INFO), Session("b", FakeMachine("b"), second, INFO)])


def required(*missing: str, jobs: bool = False, needs_container: bool = True) -> None:
    """Look for these names."""

    async def work() -> None:
        query = LogQuery(PROJECT, missing, jobs=jobs)
        own = () if jobs else OWN
        await require_known(await servers(), query, missing, own, needs_container=needs_container)

    run(work())


def test_what_has_a_container_on_any_server_is_known() -> None:
    """A service and a dependency that were removed from ftl.yaml, and a job."""
    required("worker", "cache")
    required("weekly", jobs=True)


def test_a_job_of_which_lines_are_kept_is_known() -> None:
    """Its container went with a deploy; any of the servers may have had it."""

    async def work() -> None:
        fleet = await servers()
        second = [*fleet][1].engine
        await ensure_store(second, "caddy:2")
        line = LogLine("stdout", "2026-01-02T03:04:05Z", "done")
        await store_run_logs(
            second, PROJECT, "nightly", [RunLog(line.time, "web", "id", "job.nightly", "r1", (line,))]
        )
        query = LogQuery(PROJECT, ("nightly",), jobs=True)
        await require_known(fleet, query, ("nightly",), (), needs_container=True)

    run(work())


@pytest.mark.parametrize(
    ("name", "jobs", "hint"),
    [
        ("wrker", False, "did you mean `worker`?"),
        ("zzz", False, "the project has web, db, cache, worker, api, mailer, queue"),
        ("hooked", False, "the project has web, db, cache, worker, api, mailer, queue"),
        ("weekly", False, "the project has web, db, cache, worker, api, mailer, queue"),
        ("worker", True, "the project has weekly, backup.db, nightly"),
    ],
)
def test_what_nobody_knows_is_refused(name: str, jobs: bool, hint: str) -> None:
    """With all that there is: in ftl.yaml, then on the servers, then in the records."""
    with pytest.raises(UsageError, match=f"`{name}`") as caught:
        required(name, jobs=jobs)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("name", "jobs"), [("api", False), ("queue", False), ("mailer", False), ("nightly", True)]
)
def test_what_only_a_record_knows_has_no_log_any_more(name: str, jobs: bool) -> None:
    """It may have requests, output of hooks, or lines that a release has kept."""
    with pytest.raises(FtlError, match=f"no container of {name} is left on a, b") as caught:
        required(name, jobs=jobs)
    assert not isinstance(caught.value, UsageError)
    assert "the last release with it is r1" in (caught.value.cause or "")
    required(name, jobs=jobs, needs_container=False)


@pytest.mark.parametrize(
    ("names", "chosen", "missing"),
    [
        ((), OWN, ()),
        (("db", "web"), OWN, ()),
        (("gone", "db"), ("db", "gone"), ("gone",)),
        (("shop-web-run-0123abcd",), ("web-run-0123abcd",), ()),
        (("gone", "web-run-0123abcd"), ("gone", "web-run-0123abcd"), ("gone",)),
    ],
)
def test_names_that_ftl_yaml_does_not_have(
    names: tuple[str, ...], chosen: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """They are asked for, too; containers of `ftl run` are by themselves."""
    assert _chosen("shop", names, OWN, jobs=False) == (chosen, missing)
