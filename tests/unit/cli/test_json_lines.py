"""Public contract of the lines of `--json` that are no events: their types and fields.

As in `tests/unit/test_contract.py`: programs read them, and a name that changes is a decision.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

from ftl.cli.commands import doctor, jobs, tunnels
from ftl.cli.failure import report_and_exit_code
from ftl.cli.options import Options
from ftl.cli.running.run import run_sync
from ftl.cli.views.log_printer import log_printer
from ftl.cli.views.status_table import put_sample
from ftl.engine.values import LogLine
from ftl.errors import FtlError
from ftl.operations.views.logs.query import LogEntry
from ftl.operations.views.status import Status
from ftl.operations.views.status_stream import StatusSample, Usage
from ftl.operations.views.units import Unit
from ftl.proxy.access import RequestFigures
from ftl.server.doctor.finding import Finding
from ftl.server.doctor.report import Report
from ftl.tunnels.tunnels import Tunnel
from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_LINE = {"type", "service", "container", "release", "time", "stream", "text"}

STATUS = {
    *(
        "project",
        "server",
        "engine",
        "release",
        "units",
        "jobs",
        "live",
        "urls",
        "hold",
        "maintenance",
        "watch",
    ),
    *("servers", "broke_off", "changing", "deployed"),
}

UNIT = {
    *("name", "kind", "release", "live", "running", "wanted", "image", "healthy", "health", "since", "ports"),
    *("restarts", "containers", "server", "returns"),
}

PROBLEM = {"message", "cause", "hint", "place", "details", "problems"}

JSON = Options(json=True)

WEB = Unit("web", "service", "r1", True, 1, 1, "shop-web:r1", True, "healthy", "", ("8000",))


def _log(entry: LogEntry) -> None:
    log_printer(JSON, timestamps=True, prefix=True, flush=False)[0](entry)


def _entry(server: str) -> LogEntry:
    return LogEntry("web", "web-r5", "id", "r5", "stdout", "2026-01-31T12:00:00Z", "started", server)


def _done() -> None:
    run_sync(JSON, "validate", lambda: None, lambda _: {"services": 1})


def _failed() -> None:
    report_and_exit_code(FtlError("it failed"), command="deploy", options=JSON)


def _sample() -> None:
    status = Status("shop", "server", "28.5.2", "r1", (WEB,))
    put_sample(StatusSample(status, (Usage(0.5, 1, None),), {"web": RequestFigures(1.0, 0.0, 0.1)}))


@pytest.mark.parametrize(
    ("put", "name", "fields"),
    [
        (lambda: _log(_entry("")), "log_line", LOG_LINE),
        (lambda: _log(_entry("web-1")), "log_line", {*LOG_LINE, "server"}),
        (
            lambda: jobs._show(JSON, "nightly", LogLine("stdout", "2026-01-31T12:00:00Z", "done")),
            "job_output",
            {"type", "job", "stream", "time", "text"},
        ),
        (
            lambda: doctor._show(Report((Finding("here", "ssh", "ok", "is installed"),)), JSON),
            "finding",
            {"type", "area", "name", "level", "what", "fix"},
        ),
        (
            lambda: tunnels._print(JSON, "server", [Tunnel("db", 5432, 15432)]),
            "tunnel",
            {"type", "name", "port", "address"},
        ),
        (_sample, "status", {"type", "time", *STATUS}),
        (_done, "result", {"type", "ok", "command", "services"}),
        (_failed, "result", {"type", "ok", "command", "exit_code", "error"}),
    ],
    ids=["logs", "logs of several", "jobs run", "doctor", "tunnels", "status", "done", "failed"],
)
def test_types_and_fields_of_a_line_are_fixed(
    put: Callable[[], None], name: str, fields: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Fields are only ever added; docs/reference/json.md describes them."""
    put()
    record = json.loads(capsys.readouterr().out)
    assert (record["type"], set(record)) == (name, fields)


def test_the_objects_in_a_line_are_fixed(capsys: pytest.CaptureFixture[str]) -> None:
    """A unit of a status, its requests, and the error of a result."""
    _sample()
    _failed()
    status, result = map(json.loads, capsys.readouterr().out.splitlines())
    (unit,) = status["units"]
    assert set(unit) == {*UNIT, "cpu", "memory", "memory_limit", "requests"}
    assert set(unit["requests"]) == {"rate", "errors", "p95"}
    assert set(result["error"]) == PROBLEM
    assert set(Status("shop", "server", "28.5.2", None, ()).fields()) == STATUS


def test_every_type_that_a_command_prints_is_in_the_table() -> None:
    """And on the page about `--json`."""
    types = {
        str(ast.literal_eval(value))
        for path in (ROOT / "src/ftl/cli").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant)
    }
    assert types == {"log_line", "job_output", "finding", "tunnel", "status", "result"}
    page = (ROOT / "docs/reference/json.md").read_text()
    assert {name for name in types if f'"type": "{name}"' not in page and f"`{name}`" not in page} == set()
