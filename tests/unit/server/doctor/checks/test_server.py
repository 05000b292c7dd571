"""Checks of a server: its engine, disk, memory and clock, and the proxy's ports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.common.proc_net import ListeningSocket
from ftl.engine.values import EngineInfo
from ftl.errors import ServerError
from ftl.host.jobs import JobState
from ftl.server.doctor.checks import server
from ftl.server.doctor.facts import EngineState
from ftl.server.facts.reader import FreeSpace
from tests.unit.server.doctor.world import FACTS, PROXY, container, published

if TYPE_CHECKING:
    from ftl.engine.values import Container

GB = 1000**3


@pytest.mark.parametrize(("skew", "level"), [(0, "ok"), (-9, "ok"), (60, "warning"), (-3600, "problem")])
def test_a_wrong_clock(skew: float, level: str) -> None:
    """Some seconds do not matter; minutes make certificates and tokens invalid."""
    assert server.judge_clock(skew).level == level


@pytest.mark.parametrize(
    ("disk", "inodes", "level"),
    [
        (FreeSpace(40 * GB, 20 * GB), FreeSpace(1000, 900), "ok"),
        (FreeSpace(40 * GB, 4 * GB), FreeSpace(1000, 900), "warning"),
        (FreeSpace(40 * GB, GB // 2), None, "problem"),
        (FreeSpace(40 * GB, 20 * GB), FreeSpace(1000, 3), "problem"),
        (FreeSpace(40 * GB, 20 * GB), FreeSpace(0, 0), "ok"),
    ],
)
def test_the_disk(disk: FreeSpace, inodes: FreeSpace | None, level: str) -> None:
    """Docker's disk needs bytes for an image, and inodes for its files (btrfs does not count them)."""
    (found,) = server.judge_disk(disk, inodes, "/var/lib/docker")
    assert found.level == level
    assert (found.fix is None) == (level == "ok")


@pytest.mark.parametrize(
    ("total", "available", "swap", "level"),
    [(4, 2, 0, "ok"), (0.5, 0.05, 0, "warning"), (0.5, 0.05, 1, "ok")],
)
def test_memory(total: float, available: float, swap: float, level: str) -> None:
    """Two releases at the same time need memory; swap counts."""
    memory = {"MemTotal": int(total * GB), "MemAvailable": int(available * GB), "SwapTotal": int(swap * GB)}
    assert [one.level for one in server.judge_memory(memory)] == [level]


def test_an_engine_that_answers() -> None:
    """Its version is shown, and the form in which images are sent; an old one is a warning."""
    info = EngineInfo("20.10.24", "1.41", "linux/amd64", "overlay2", "/var/lib/docker")
    found = server.judge_docker(EngineState(info), FACTS)
    assert [(one.name, one.level) for one in found] == [
        ("docker group", "ok"),
        ("engine", "ok"),
        ("zstd", "ok"),
    ]
    assert "deltas" in found[-1].what
    assert [one.level for one in server.judge_engine(replace(info, version="19.03.5"), "me")] == [
        "ok",
        "warning",
    ]
    without = server.judge_zstd(info, has_zstd=False)
    assert (without.level, "as gzip" in without.what, "ftl setup" in (without.fix or "")) == (
        "warning",
        True,
        True,
    )
    assert "as zstd" in server.judge_zstd(replace(info, version="26.1.5"), has_zstd=False).what


def test_an_engine_that_refuses() -> None:
    """The error of ssh or the engine is shown with its own hint."""
    error = ServerError(
        "me may not use Docker", cause="permission denied", hint="`sudo usermod -aG docker me`"
    )
    (found,) = server.judge_docker(EngineState(error=error), FACTS)
    assert (found.level, found.fix) == ("problem", "`sudo usermod -aG docker me`")
    assert found.what == "me may not use Docker: permission denied"


@pytest.mark.parametrize(
    ("containers", "listening", "web_servers", "level", "fix"),
    [
        ((), (), (), "ok", None),
        ((PROXY,), (80,), (), "ok", None),
        ((replace(PROXY, id="new", published=(), state="created"), PROXY), (80,), (), "ok", None),
        ((container("web", published(80)),), (80,), (), "problem", "`docker stop web`"),
        ((), (80,), ("nginx",), "problem", "`sudo systemctl disable --now nginx`"),
        ((), (80,), ("nginx", "haproxy"), "problem", "`sudo ss -ltnp 'sport = :80'`"),
        ((container("dns", published(80, protocol="udp")),), (), (), "ok", None),
    ],
)
def test_the_proxy_s_ports(
    containers: tuple[Container, ...],
    listening: tuple[int, ...],
    web_servers: tuple[str, ...],
    level: str,
    fix: str | None,
) -> None:
    """They are free, used by the proxy, or taken by a program that is named as far as it is known."""
    listeners = tuple(ListeningSocket("0.0.0.0", port) for port in listening)
    found = server.judge_port(80, replace(FACTS, listeners=listeners, web_servers=web_servers), containers)
    assert found.level == level
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


def test_the_output_of_login_scripts_is_a_warning_with_its_first_line() -> None:
    """Deploys work with it, other programs do not; as a rule there is none (W-5)."""
    assert server.judge_login_output("") == []
    (finding,) = server.judge_login_output("Welcome to prod\n" + "x" * 1000)
    assert finding.level == "warning"
    assert finding.what.endswith("prints without a terminal: Welcome to prod")


def test_a_job_that_failed_fails_the_examination() -> None:
    """With what is wrong, and what to look at; one that is well says when it runs next."""
    job = JobState(
        "nightly", "web", "15 3 * * *", "UTC", "shop.job.nightly", "2026-03-03T03:15:00Z", (), "", ""
    )
    assert server.judge_job(job).level == "ok"
    failed = server.judge_job(replace(job, problem="its last run ended with status 3"))
    assert (failed.level, failed.what) == ("problem", "its last run ended with status 3")
    assert "`ftl logs --job nightly`" in (failed.fix or "")
