"""Why a container is not healthy, in words."""

from __future__ import annotations

import pytest

from ftl.engine.values import ContainerState
from ftl.health.diagnosis import Listener, Silent, parse_listeners, why_ended, why_silent
from ftl.health.probe import NO_HTTP, REFUSED, Outcome

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEAD + "   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
    "   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1\n"
    "   2: 0200A8C0:1F40 0300A8C0:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3 1\n"
)
TCP6 = (
    HEAD
    + "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4 1\n"
    "   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5 1\n"
    "   2: 0000000000000000FFFF00000100007F:0052 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 6 1\n"
)


def test_listening_sockets_are_read_from_proc() -> None:
    """Only sockets in the state LISTEN count, with addresses of both families in ordinary spelling."""
    assert parse_listeners(TCP + TCP6) == (
        Listener("::", 80),
        Listener("::1", 81),
        Listener("127.0.0.1", 82),
        Listener("127.0.0.1", 5432),
        Listener("0.0.0.0", 8000),
    )


def state(**changed: object) -> ContainerState:
    """A container that ended with status 0, unless told otherwise."""
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
        ({}, "came to its end"),
        ({"error": "exec: no such file"}, "exec: no such file"),
    ],
)
def test_an_ended_container_is_explained(changed: dict[str, object], words: str) -> None:
    """Exit codes, signals, memory and the engine's own error each get their words."""
    assert words in why_ended(state(**changed))[0]


def test_a_vanished_container_is_explained() -> None:
    """A container that something else removed is called gone."""
    assert "gone" in why_ended(None)[0]


@pytest.mark.parametrize(
    ("outcome", "listeners", "cause", "hint"),
    [
        (Outcome(False, REFUSED), (), "nothing listens on port 8000, nor", "start_period"),
        (Outcome(False, REFUSED), (Listener("0.0.0.0", 3000),), "it listens on 3000", "`port: 3000`"),
        (
            Outcome(False, REFUSED),
            (Listener("127.0.0.1", 8000),),
            "only the container itself",
            "0.0.0.0:8000",
        ),
        (
            Outcome(False, REFUSED),
            (Listener("0.0.0.0", 8000),),
            "but closes connections without an answer",
            "plain HTTP",
        ),
        (Outcome(False, REFUSED), (Listener("::", 8000),), "but closes connections", "0.0.0.0:8000"),
        (Outcome(False, f"{NO_HTTP}: Bad status line"), (), "not HTTP: Bad status line", "plain HTTP"),
        (Outcome(False, "301 Moved to https://x/", 301), (), "301 Moved to https://x/", "without a redirect"),
        (Outcome(False, "404 Not Found", 404, "no page"), (), "404 Not Found: no page", "health_check.path"),
        (Outcome(False, "400 Bad Request", 400), (), "400", "certain hosts"),
        (Outcome(False, "500 Oops", 500, "boom"), (), "500 Oops: boom", None),
        (Outcome(False, "no answer within 5 s"), (), "no answer within 5 s", None),
    ],
)
def test_a_silent_container_is_explained(
    outcome: Outcome, listeners: tuple[Listener, ...], cause: str, hint: str | None
) -> None:
    """What it answered, or where it listens instead, with the next step."""
    said, next_step = why_silent(Silent((8000,), outcome), listeners)
    assert cause in said
    assert (hint is None) if next_step is None else (hint is not None and hint in next_step)
