"""Uploads of a Django project: a volume at MEDIA_ROOT, and a question who serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.onboarding.stacks.python.media import find_media
from tests.unit.onboarding.apps import MANAGE, SETTINGS
from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

BASE = "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('MEDIA_ROOT = BASE_DIR / "media"', "/app/media"),
        ('MEDIA_ROOT: Path = BASE_DIR / "media" / "files"', "/app/media/files"),
        ('MEDIA_ROOT = os.path.join(BASE_DIR, "media")', "/app/media"),
        ('MEDIA_ROOT = os.path.join(BASE_DIR, "media/")', "/app/media"),
        ('MEDIA_ROOT = str(APPS_DIR / "media")\nAPPS_DIR = BASE_DIR / "shop"', "/app/shop/media"),
        ('MEDIA_ROOT = ROOT_DIR("media")', "/app/media"),
        ('MEDIA_ROOT = BASE_DIR.joinpath("media")', "/app/media"),
        ('MEDIA_ROOT = f"{BASE_DIR}/media"', "/app/media"),
        ('MEDIA_ROOT = str(BASE_DIR) + "/media"', "/app/media"),
        ('MEDIA_ROOT = "uploads"', "/app/uploads"),
        ('MEDIA_ROOT = "/srv/uploads"', "/srv/uploads"),
        ('MEDIA_ROOT = (BASE_DIR / "media").resolve()', "/app/media"),
        ('MEDIA_ROOT = env("MEDIA_ROOT", default=str(BASE_DIR / "media"))', "/app/media"),
        ('MEDIA_ROOT = os.environ.get("MEDIA_ROOT", BASE_DIR / "media")', "/app/media"),
        ('MEDIA_ROOT = config("MEDIA_ROOT")', ""),
        ("MEDIA_ROOT = made()", ""),
        ('MEDIA_ROOT = A / "a"\nA = A', ""),
    ],
)
def test_the_folder_of_uploads(line: str, path: str) -> None:
    """As the settings write it; one that is computed is not guessed."""
    media = find_media(f"{BASE}{line}\n", "settings.py", "")
    assert media is not None
    assert media.path == path


@pytest.mark.parametrize(
    "text",
    [
        'MEDIA_URL = "/media/"\n',
        'MEDIA_ROOT = ""\n',
        'MEDIA_ROOT = "m"\nSTORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage"}}\n',
        "MEDIA_ROOT = (\n",
    ],
)
def test_uploads_that_are_not_in_a_folder(text: str) -> None:
    """There are none, or they are with another host."""
    assert find_media(text, "settings.py", "") is None


@pytest.mark.parametrize("below", ["", "site/"])
def test_uploads_outlive_a_release(begin: Begin, tmp_path: Path, below: str) -> None:
    """They are on a volume that belongs to the app; what is here is not in the image."""
    files = {
        "requirements.txt": "django\ngunicorn\n",
        f"{below}manage.py": MANAGE,
        f"{below}shop/settings.py": f'{BASE}{SETTINGS}MEDIA_ROOT = BASE_DIR / "media"\nMEDIA_URL = "files/"\n',
        f"{below}media/a.jpg": "",
        ".env": "SECRET_KEY=x\n",
    }
    start, project = begin(files)
    path = f"/app/{below}media"
    text = start.files["Dockerfile"]
    assert f"RUN mkdir -p {path} && chown -R app {path}\n" in text.partition("USER app")[0]
    assert faults(text) == []
    assert project.services[0].volumes == (f"media:{path}",)
    assert f"\n{below}media/*\n" in start.files[".dockerignore"]
    assert "the volume media is empty at first: copy the files of media into it" in start.todo
    (served,) = [todo for todo in start.todo if "who serves the uploads" in todo]
    folder = tmp_path / "shop"
    written = yaml.safe_load((folder / "ftl.yaml").read_text())
    written["services"].append(yaml.safe_load(served.partition("`")[2].removesuffix("`")))
    (folder / "ftl.yaml").write_text(yaml.safe_dump(written))
    more = load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {}))).services[1]
    assert (more.name, more.routes[0].path, more.volumes) == ("media", "/files", ("media:/media",))
