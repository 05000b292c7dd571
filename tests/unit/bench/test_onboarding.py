"""The benchmark of `ftl init` counts the questions that a user would see."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.onboarding.__main__ import questions

from tests.unit.cli.test_init_questions import FIRST, init

if TYPE_CHECKING:
    from pathlib import Path


def test_a_question_is_counted(tmp_path: Path) -> None:
    """On a terminal there is one; a figure that is 0 whatever is asked says nothing."""
    _, shown = init(tmp_path, {FIRST: b"\n"})
    assert questions(shown) == 1


def test_what_init_prints_is_no_question(tmp_path: Path) -> None:
    """Without a terminal there is none."""
    (tmp_path / "index.html").write_text("<p>")
    done = subprocess.run(
        (sys.executable, "-m", "ftl", "init"),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout
    assert questions(done.stdout) + questions(done.stderr) == 0
