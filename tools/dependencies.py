"""Tests of the lowest and the newest dependencies: `make test-deps`.

Each run has a virtual environment of its own, in a temporary folder: FTL as a wheel (not editable), its dependencies
as pyproject.toml allows them, and the newest tools that test it. The lowest versions run on this Python only: a
dependency's old release has no wheels for a Python that came after it (PyYAML 6.0.1: none for 3.13).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"

TESTS = ("tests/unit/config", "tests/unit/engine", "tests/unit/cli")
"""Tests of the packages that call dependencies most: PyYAML, aiodocker and aiohttp, click and Rich."""

TEST_TOOLS = ("hypothesis", "jsonschema", "pytest", "pytest-timeout", "pytest-xdist")

OTHER_PYTHONS = ("3.14", "3.13", "3.12", "3.11")

TIMEOUT = 900
"""Seconds for one command: an installation from a slow network, or the tests on a busy machine."""


class Combination(NamedTuple):
    """Python and uv's rule for the versions of direct dependencies."""

    python: str
    resolution: str


def main() -> int:
    """Test every combination; 1 if any failed. In CI another Python must be there."""
    failed = [combination for combination in combinations() if not passes(combination)]
    for combination in failed:
        print(f"test-deps: failed: {combination.resolution} on {combination.python}", file=sys.stderr)
    return 1 if failed else 0


def combinations() -> list[Combination]:
    """The lowest and the newest dependencies on this Python, and the newest on another one.

    Raises:
        SystemExit: In CI, where no other Python is installed: the run would say nothing of it, and be green.
    """
    found = [Combination(sys.executable, "lowest-direct"), Combination(sys.executable, "highest")]
    if other := newest_other_python():
        return [*found, Combination(other, "highest")]
    missing = "test-deps: no other Python from 3.11 on is installed"
    if os.environ.get("CI"):
        raise SystemExit(missing)
    print(f"{missing}: only this one is tested", flush=True)
    return found


def newest_other_python() -> str | None:
    """Path of the newest installed Python of another minor version than this one's."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in OTHER_PYTHONS:
        if version != this:
            for path in installed(version):
                return path
    return None


def installed(version: str) -> Iterator[str]:
    """Yield interpreters of a minor version: on PATH, then pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    on_path = shutil.which(f"python{version}")
    for path in (on_path, *(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python{version}")))):
        # pyenv's shim on PATH exists for a version that is not active, and then fails.
        if path and subprocess.run([path, "-c", ""], capture_output=True, timeout=TIMEOUT).returncode == 0:
            yield path


def passes(combination: Combination) -> bool:
    """Whether FTL installs and its tests pass with these versions."""
    with tempfile.TemporaryDirectory(prefix="ftl-deps-") as folder:
        python = f"{folder}/bin/python"
        # uv would take a wheel of ftl-deploy from its cache as long as pyproject.toml is the same: --reinstall-package.
        install: list[str | Path] = [UV, "pip", "install", "--quiet", "--python", python]
        commands: list[list[str | Path]] = [
            [UV, "venv", "--quiet", "--clear", "--python", combination.python, folder],
            [
                *install,
                "--resolution",
                combination.resolution,
                "--reinstall-package",
                "ftl-deploy",
                ".[age,notify]",
            ],
            [*install, *TEST_TOOLS],
            [UV, "pip", "freeze", "--quiet", "--python", python, "--exclude", "ftl-deploy"],
            [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *TESTS],
        ]
        print(f"test-deps: {combination.resolution} on {combination.python}", flush=True)
        # Not this environment's: uv and the tests would otherwise take it for theirs.
        env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        return all(
            subprocess.run(command, cwd=ROOT, env=env, timeout=TIMEOUT).returncode == 0
            for command in commands
        )


if __name__ == "__main__":
    sys.exit(main())
