"""bench.transfer runs from its images to its summary line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bench.transfer.cases import CASES
from bench.transfer.methods import METHODS
from tests.harness import ROOT

pytestmark = pytest.mark.server


def test_every_method_brings_every_image(engine: str) -> None:
    """Each case arrives by each method, is measured on the wire and in memory, and is judged."""
    argv = (sys.executable, "-m", "bench.transfer", "--quick", "--server", "trixie/containerd")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    runs = [line for line in lines if line["type"] == "transfer"]
    assert {(run["case"], run["method"]) for run in runs} == {
        (case, way) for case in CASES for way in METHODS
    }
    assert all(min(run[key] for key in ("bytes", "memory_here", "memory_there")) > 0 for run in runs)
    cold, none = (
        {run["method"]: run["bytes"] for run in runs if run["case"] == case} for case in ("cold", "none")
    )
    assert cold["ftl"] < cold["original"]
    assert none["ftl"] < none["save-load"]
    (result,) = (line for line in lines if line["type"] == "result")
    assert {limit["name"] for limit in result["limits"]} > {
        "bytes: none",
        "memory there: share of what is free",
    }
    assert lines[-1]["type"] == "summary"
    (server,) = lines[-1]["servers"].values()
    assert server["code_loopback_ratio"] > 0
