"""Diagnosis of unhealthy containers: cause and hint for each symptom."""

from __future__ import annotations

import pytest

from ftl.common.proc_net import ListeningSocket
from ftl.engine.values import ContainerState
from ftl.health.diagnosis import (
    Unresponsive,
    explain_exit,
    explain_response,
)
from ftl.health.probe import NOT_HTTP, REFUSED, ProbeResult


def state(**changed: object) -> ContainerState:
    """A container that exited with status 0, unless `changed` says otherwise."""
    plain: dict[str, object] = {
        "id": "i",
        "name": "n",
        "running": False,
        "restarting": False,
        "exit_code": 0,
        "oom_killed": False,
        "error": "",
        "health": "",
        "health_log": "",
        "started": "",
        "pid": 0,
        "restarts": 0,
    }
    return ContainerState(**{**plain, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"exit_code": 3}, "exited with code 3"),
        ({"exit_code": 137}, "SIGKILL"),
        ({"exit_code": 139}, "SIGSEGV"),
        ({"exit_code": 137, "oom_killed": True}, "ran out of memory"),
        ({"exit_code": 127}, "command was not found"),
        ({"exit_code": 126}, "cannot be executed"),
        ({"exit_code": 255}, "exited with code 255"),
        ({}, "the command finished"),
        ({"error": "exec: no such file"}, "exec: no such file"),
    ],
)
def test_an_exited_container_is_explained(changed: dict[str, object], words: str) -> None:
    """Exit codes, signals, memory and the engine's error message each have an explanation."""
    assert words in explain_exit(state(**changed))[0]


def test_a_removed_container_is_explained() -> None:
    """A container that something else removed is called gone."""
    assert "gone" in explain_exit(None)[0]


@pytest.mark.parametrize(
    ("outcome", "listeners", "cause", "hint"),
    [
        (ProbeResult(False, REFUSED), (), "nothing listens on port 8000, nor", "start_period"),
        (
            ProbeResult(False, REFUSED),
            (ListeningSocket("0.0.0.0", 3000),),
            "it listens on 3000",
            "`port: 3000`",
        ),
        (
            ProbeResult(False, REFUSED),
            (ListeningSocket("127.0.0.1", 8000),),
            "only the container itself",
            "0.0.0.0:8000",
        ),
        (
            ProbeResult(False, REFUSED),
            (ListeningSocket("0.0.0.0", 8000),),
            "but closes connections without an answer",
            "plain HTTP",
        ),
        (
            ProbeResult(False, REFUSED),
            (ListeningSocket("::", 8000),),
            "but closes connections",
            "0.0.0.0:8000",
        ),
        (ProbeResult(False, f"{NOT_HTTP}: Bad status line"), (), "not HTTP: Bad status line", "plain HTTP"),
        (
            ProbeResult(False, "301 Moved to https://x/", 301),
            (),
            "301 Moved to https://x/",
            "without a redirect",
        ),
        (
            ProbeResult(False, "404 Not Found", 404, "no page"),
            (),
            "404 Not Found: no page",
            "health_check.path",
        ),
        (ProbeResult(False, "400 Bad Request", 400), (), "400", "certain hosts"),
        (ProbeResult(False, "500 Oops", 500, "boom"), (), "500 Oops: boom", None),
        (ProbeResult(False, "no answer within 5 s"), (), "no answer within 5 s", None),
    ],
)
def test_a_failed_probe_is_explained(
    outcome: ProbeResult, listeners: tuple[ListeningSocket, ...], cause: str, hint: str | None
) -> None:
    """The cause is its answer, or where it listens instead; the hint is the next step."""
    explained, next_step = explain_response(Unresponsive((8000,), outcome), listeners)
    assert cause in explained
    assert (hint is None) if next_step is None else (hint is not None and hint in next_step)
