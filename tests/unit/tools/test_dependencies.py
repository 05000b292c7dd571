"""Pythons and dependencies that `make test-deps` tests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from tools.dependencies import OTHER_PYTHONS, Combination, combinations

if TYPE_CHECKING:
    from pathlib import Path

OTHER = next(one for one in OTHER_PYTHONS if one != f"{sys.version_info.major}.{sys.version_info.minor}")
THIS = [Combination(sys.executable, "lowest-direct"), Combination(sys.executable, "highest")]


@pytest.fixture(autouse=True)
def no_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Python on PATH or of pyenv, which is not CI."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)


def test_another_python_is_tested_with_the_newest_dependencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI and elsewhere."""
    monkeypatch.setenv("CI", "true")
    other = tmp_path / f"python{OTHER}"
    other.write_text("#!/bin/sh\nexit 0\n")
    other.chmod(0o755)
    assert combinations() == [*THIS, Combination(str(other), "highest")]


def test_ci_fails_without_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A green run would say that both were tested."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit, match="no other Python"):
        combinations()


def test_elsewhere_this_python_alone_is_tested(capsys: pytest.CaptureFixture[str]) -> None:
    """Contributors have the one that they have; it is said."""
    assert combinations() == THIS
    assert "only this one is tested" in capsys.readouterr().out
