"""Django's settings: the module of an image, and what it demands in a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.stacks.python.django import build_values, find_settings
from tests.unit.onboarding.conftest import put_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

BASE = 'import environ\nenv = environ.Env()\nDB = env.db("DATABASE_URL")\nSTATIC_ROOT = "static"\n'
FOLDER: Mapping[str, str] = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")\nimport django\n',
    "config/settings/base.py": BASE,
    "config/settings/local.py": 'from .base import *\nDEBUG = True\nALLOWED_HOSTS = ["localhost"]\n',
    "config/settings/production.py": "from .base import *\n"
    'KEY = env("DJANGO_SECRET_KEY")\nALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["x"])\n',
    "config/urls.py": 'urlpatterns = [path("healthz/", ok)]\n',
    "requirements/production.txt": "django\ngunicorn\npsycopg[c]\n",
}


def test_the_image_uses_the_settings_for_a_server(begin: Begin) -> None:
    """manage.py names those for development, whose tools the image does not have."""
    start, project = begin(FOLDER)
    dockerfile = start.files["Dockerfile"]
    assert "ENV DJANGO_SETTINGS_MODULE=config.settings.production\n" in dockerfile
    values = "DJANGO_SECRET_KEY=unused DATABASE_URL=sqlite://:memory: "
    assert f"RUN {values}python manage.py collectstatic --noinput" in dockerfile
    assert "libpq-dev" in dockerfile, "psycopg[c] is compiled"
    web = project.services[0]
    assert web.health_check is not None
    assert web.health_check.path == "/healthz/"
    assert web.env["DJANGO_ALLOWED_HOSTS"] == "shop.example.com"
    assert not [text for text in start.todo if "DEBUG" in text]


@pytest.mark.parametrize(
    ("files", "module"),
    [
        (FOLDER, "config.settings.production"),
        ({**FOLDER, "config/wsgi.py": '("DJANGO_SETTINGS_MODULE", "config.settings.base")'}, "config.settings.base"),
        ({**FOLDER, "config/wsgi.py": '("DJANGO_SETTINGS_MODULE", "config.gone")'}, "config.settings.production"),
        (
            {"manage.py": '("DJANGO_SETTINGS_MODULE", "shop.settings")', "shop/settings.py": "", "shop/live.py": ""},
            "shop.settings",
        ),
        ({"manage.py": '("DJANGO_SETTINGS_MODULE", "shop.settings")'}, "shop.settings"),
    ],
)  # fmt: skip
def test_settings_of_an_app(tmp_path: Path, files: Mapping[str, str], module: str) -> None:
    """What wsgi.py names, else a module for production in the folder of settings, else what manage.py names."""
    assert find_settings(AppFolder(put_files(tmp_path, files))).module == module


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('os.environ["SECRET_KEY"]', "SECRET_KEY=unused "),
        ("os.environ.get('KEY')", ""),
        ('os.environ.get("KEY", "b")', ""),
        ('env("KEY")', "KEY=unused "),
        ('env("KEY", default="b")', ""),
        ('env.str("KEY", "b")', ""),
        ('env.int("WORKERS")', "WORKERS=1 "),
        ('env.bool("DEBUG", default=False)', ""),
        ('env.db("DATABASE_URL")', "DATABASE_URL=sqlite://:memory: "),
        ('env.cache("CACHE_URL")', "CACHE_URL=locmemcache:// "),
        ('config("SECRET_KEY")', "SECRET_KEY=unused "),
        ('config("DEBUG", cast=bool)', "DEBUG=0 "),
        ('config("DEBUG", default=True, cast=bool)', ""),
        ('env("REDIS_URL")', "REDIS_URL=redis://localhost "),
        ('env("SENTRY_DSN")', "SENTRY_DSN=http://localhost "),
        ('dj_database_url.parse(os.environ["DATABASE_URL"])', "DATABASE_URL=sqlite://:memory: "),
        ('dj_database_url.config("DATABASE_URL")', ""),
        ('int(os.environ["DB_PORT"]), os.environ["DB_PORT"]', "DB_PORT=1 "),
    ],
)
def test_values_without_which_settings_do_not_load(line: str, values: str) -> None:
    """Each variable without a default gets a value that its reader takes, once."""
    assert build_values(line) == values


@pytest.mark.parametrize(
    ("name", "client", "volumes", "word"),
    [
        ('BASE_DIR / "db.sqlite3"', "", ("data:/data",), ""),
        ('os.path.join(BASE_DIR, "db.sqlite3")', "", ("data:/data",), ""),
        ('"/data/db.sqlite3"', "", ("data:/data",), ""),
        ('"/var/lib/app/db.sqlite3"', "", (), "volumes: [data:/var/lib/app]"),
        ('BASE_DIR / "var" / "site.db"', "", (), "let it be below /data"),
        ('BASE_DIR / "var" / "site.db"', "psycopg", (), ""),
        ('":memory:"', "", (), ""),
    ],
)
def test_the_place_of_an_sqlite_file(
    begin: Begin, name: str, client: str, volumes: tuple[str, ...], word: str
) -> None:
    """Only the file of Django's generator has a link to the volume; of others the user is told."""
    database = f'DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {name}}}}}\n'
    files = {
        "manage.py": '("DJANGO_SETTINGS_MODULE", "shop.settings")\nimport django\n',
        "shop/settings.py": database,
        "requirements.txt": f"django\ngunicorn\n{client}\n",
    }
    start, project = begin(files)
    assert project.services[0].volumes == volumes
    assert ("ln -sf" in start.files["Dockerfile"]) is (bool(volumes) and "BASE_DIR" in name)
    told = [text for text in start.todo if "gone with each release" in text]
    assert len(told) == bool(word)
    assert all(word in text for text in told)
