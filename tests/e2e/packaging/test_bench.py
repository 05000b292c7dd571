"""bench.transfer runs from its images to its summary line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from bench.transfer.cases import CASES
from bench.transfer.methods import METHODS
from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.server


CODE = ("--cases=code,none", "--methods=ftl,registry")
"""What the summary's `code_loopback_ratio` is made of."""


def measured(*options: str) -> list[dict[str, Any]]:
    """The lines of a quick run on one server."""
    argv = (sys.executable, "-m", "bench.transfer", "--quick", "--server", "trixie/containerd", *options)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "cases", "methods"),
    [
        (CODE, ("code", "none"), ("ftl", "registry")),
        pytest.param((), CASES, METHODS, marks=pytest.mark.nightly),
    ],
)
def test_every_method_brings_every_image(
    engine: str, options: tuple[str, ...], cases: Iterable[str], methods: Iterable[str]
) -> None:
    """Each case arrives by each method, is measured on the wire and in memory, and is judged."""
    lines = measured(*options)
    runs = [line for line in lines if line["type"] == "transfer"]
    assert {(run["case"], run["method"]) for run in runs} == {
        (case, method) for case in cases for method in methods
    }
    assert all(min(run[key] for key in ("bytes", "memory_here", "memory_there")) > 0 for run in runs)
    sent = {(run["case"], run["method"]): run["bytes"] for run in runs}
    assert sent["none", "ftl"] < sent["code", "ftl"] < sent["code", "registry"]
    if not options:
        assert sent["cold", "ftl"] < sent["cold", "original"]
        assert sent["none", "ftl"] < sent["none", "save-load"]
    (result,) = (line for line in lines if line["type"] == "result")
    assert {limit["name"] for limit in result["limits"]} > {
        "bytes: none",
        "memory there: share of what is free",
    }
    assert lines[-1]["type"] == "summary"
    (server,) = lines[-1]["servers"].values()
    assert server["code_loopback_ratio"] > 0
