"""bench.faults runs from its world to its summary line, and finds nothing wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bench.faults.options import DEFAULTS
from tests.harness import ROOT

pytestmark = pytest.mark.server


def faults(*numbers: str) -> dict[str, object]:
    """The summary of a run with these numbers of faults; every other kind is left out."""
    none = (f"--{kind.replace('_', '-')}s=0" for kind in DEFAULTS)
    argv = (sys.executable, "-m", "bench.faults", *none, "--clusters=0", "--fuzz=0", *numbers)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return summary


@pytest.mark.timeout(900)
def test_a_killed_deploy_under_load_costs_nothing(engine: str) -> None:
    """No request fails, and the next deploy leaves the same objects as an undisturbed one."""
    summary = faults("--kills=1", "--commands=deploy")
    assert summary["kills"] == 1
    assert summary["requests"]
    assert (summary["failed"], summary["site_lost"], summary["leftovers"]) == (0, 0, 0)
    assert (summary["converged"], summary["secrets_found"]) == (1.0, 0)


@pytest.mark.nightly
@pytest.mark.timeout(1600)
@pytest.mark.parametrize(
    "numbers",
    [
        ("--kills=20",),
        ("--kills=20", "--suite=trixie"),
        ("--kills=20", "--suite=sid"),
        ("--kills=20", "--suite=trixie", "--store=containerd"),
        ("--cuts=10",),
        ("--rivals=5", "--slow-links=5", "--proxy-kills=5"),
        ("--full-disks=5", "--engine-restarts=5", "--reboots=3"),
    ],
)
def test_faults_of_every_kind(engine: str, numbers: tuple[str, ...]) -> None:
    """Whatever is broken, at whatever step: the site answers, and the next deploy converges."""
    assert faults(*numbers)["converged"] == 1.0
