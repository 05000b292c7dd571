"""Migrations in plain SQL files: a thing to do where nothing runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.onboarding.conftest import Begin

APP = {"requirements.txt": "flask\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}


@pytest.mark.parametrize("file", ["migrations/001_notes.sql", "db/migrations/001.sql"])
def test_nothing_runs_them(begin: Begin, file: str) -> None:
    """A thing to do, and a comment where the hook belongs."""
    start, _ = begin({**APP, file: "CREATE TABLE notes (id int);\n"})
    pattern = f"{file.rpartition('/')[0]}/*.sql"
    assert (
        f"nothing runs {pattern}: write the command that does as `hooks: {{pre: COMMAND}}` of the service"
        in start.todo
    )
    assert f"    # TO DO nothing runs {pattern}: " in start.files["ftl.yaml"]


@pytest.mark.parametrize(
    "files",
    [
        {"migrate.py": "import glob\nglob.glob('migrations/*.sql')\n"},
        {
            "db.py": "from pathlib import Path\nPath(__file__).parent / 'migrations'\n",
            "Procfile": "web: flask run\n",
        },
        {"Procfile": "web: gunicorn app:app\nrelease: python migrate.py\n"},
    ],
)
def test_something_runs_them(begin: Begin, files: dict[str, str]) -> None:
    """Code that names the folder, and a hook, are enough."""
    start, _ = begin({**APP, "migrations/001.sql": "", **files})
    assert not [text for text in start.todo if "nothing runs" in text]
