"""A home folder with a project, and nothing seen yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

FTL_YAML = """
project:
  name: shop
services:
  - name: web
    jobs: []
  - {name: worker, image: x}
dependencies:
  - postgres:16
  - {name: cache, image: redis}
jobs:
  - name: nightly
backups:
  - {dependency: postgres, schedule: 0 3 * * *}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, which is also a project's folder; `ftl` is on PATH."""
    for name, folder in (
        ("HOME", ""),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("ZDOTDIR", raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ftl.yaml").write_text(FTL_YAML)
    (tmp_path / "state/ftl/sandbox/ci").mkdir(parents=True)
    (tmp_path / "state/ftl/sandbox/ci/address.json").write_text("{}")
    (tmp_path / "ftl.staging.yaml").write_text("")
    (tmp_path / "ftl.preview.yaml").write_text("")
    return tmp_path
