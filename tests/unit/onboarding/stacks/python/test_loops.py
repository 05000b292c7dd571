"""Modules that look like workers: in ftl.yaml as comments, unless something starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

APP = {
    "requirements.txt": "flask\npsycopg[binary]\n",
    "notes/app.py": "import os\nfrom flask import Flask\napp = Flask(__name__)\nKEY = os.environ['SECRET_KEY']\n",
}
MAIN = 'if __name__ == "__main__":\n    run()\n'
LOOP = (
    "def run():\n    while True:\n        for job in jobs():\n            if job: break\n        sleep(1)\n"
    + MAIN
)
READ = "def run():\n    while True:\n        if not read(): break\n" + MAIN


def test_a_worker_that_nothing_starts(begin: Begin, tmp_path: Path) -> None:
    """It is a thing to do and a comment that is a service once it counts."""
    start, project = begin({**APP, "notes/worker.py": LOOP})
    text = start.files["ftl.yaml"]
    assert [service.name for service in project.services] == ["web"]
    assert any(
        "notes/worker.py loops without end, and looks like a worker: not taken over" in t for t in start.todo
    )
    assert "  # - name: worker\n" in text
    assert "  #   command: [python, -m, notes.worker]" in text
    section = text[text.index("  # - name: worker") :].split("\n\n")[0]
    lines = (line.replace("  # ", "  ", 1) for line in section.splitlines())
    taken = text.replace(section, "\n".join(lines))
    (tmp_path / "shop" / "ftl.yaml").write_text(taken)
    again = load(ProjectFiles(tmp_path / "shop" / "ftl.yaml", read_variables(tmp_path / "shop", {})))
    assert [service.name for service in again.services] == ["web", "worker"]
    assert again.services[1].env == again.services[0].env


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("notes/poll.py", LOOP.replace("True", "not stopping.is_set()")),
        ("src/notes/poll.py", LOOP),
        ("notes/mail_worker.py", "from notes.queue import run\n" + MAIN),
        ("notes/__main__.py", LOOP),
    ],
)
def test_other_forms(begin: Begin, file: str, text: str) -> None:
    """A loop until a signal, and a module that is named as a worker."""
    assert begin({**APP, file: text})[0].app.unstarted


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tests/worker.py", LOOP),
        ("scripts/poll.py", LOOP),
        ("notes/test_worker.py", LOOP),
        ("notes/poll.py", READ),
        ("notes/poll.py", LOOP.replace(MAIN, "")),
        ("notes/shell.py", LOOP.replace("sleep(1)", "input()")),
        ("notes/poll.py", "while True\n" + MAIN),
    ],
)
def test_no_worker(begin: Begin, file: str, text: str) -> None:
    """Tests, scripts, loops that end, and libraries are none."""
    start, _ = begin({**APP, file: text})
    assert start.app.unstarted == ()
    assert "TO DO" not in start.files["ftl.yaml"]


def test_a_worker_of_the_procfile(begin: Begin) -> None:
    """A module that a process runs is there already."""
    files = {
        "notes/worker.py": LOOP,
        "Procfile": "web: gunicorn notes.app:app\nworker: python -m notes.worker\n",
    }
    start, project = begin({**APP, **files})
    assert start.app.unstarted == ()
    assert [service.name for service in project.services] == ["web", "worker"]
