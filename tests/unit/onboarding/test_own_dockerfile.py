"""Apps that have a Dockerfile: what holds for its image, and comments for what does not."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.stacks.test_sqlite import APPS as SQLITE

from .apps import MANAGE, SETTINGS, package
from .odd_apps import ALL, MAIN, PRISMA, SERVES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .conftest import Begin

DJANGO = {
    "manage.py": MANAGE,
    "shop/settings.py": SETTINGS + "'django.db.backends.sqlite3' BASE_DIR / 'db.sqlite3'\n",
    "requirements.txt": "django\ngunicorn\n",
}
MEDIA = SETTINGS + 'MEDIA_ROOT = BASE_DIR / "media"\n'
LARAVEL = {
    "composer.json": json.dumps({"require": {"php": "^8.3", "laravel/framework": "^12"}}),
    "storage/app/x": "",
}
PYTHON = "FROM python:3.13-slim\nWORKDIR /code\nCOPY . .\nEXPOSE 8000\n"
OURS = {name: case.files for name, case in ALL.items() if "Dockerfile" not in case.files} | {
    name: files for name, (files, _) in SQLITE.items()
}


@pytest.mark.parametrize("files", OURS.values(), ids=list(OURS))
def test_the_dockerfile_that_ftl_wrote_is_known_again(
    begin: Begin, tmp_path: Path, files: Mapping[str, str]
) -> None:
    """Where only ftl.yaml is gone, the new one has the same volumes, hooks, workers and environment."""
    _, before = begin({**files, "storage/app/.gitignore": ""} if "composer.json" in files else files)
    (tmp_path / "shop" / "ftl.yaml").unlink()
    start, after = begin({})
    for old, new in zip(before.services, after.services, strict=True):
        assert (new.name, new.command, new.port, new.volumes) == (
            old.name,
            old.command,
            old.port,
            old.volumes,
        )
        assert (new.hooks, {**new.env, "PORT": ""}) == (old.hooks, {**old.env, "PORT": ""})
    assert start.app.remarks == {}


@pytest.mark.parametrize(
    ("line", "owner"),
    [("", "` below its last COPY"), ("USER app\n", " && chown app /data && ")],
    ids=["root", "app"],
)
def test_a_file_that_the_dockerfile_does_not_keep(
    begin: Begin, tmp_path: Path, line: str, owner: str
) -> None:
    """A volume that the file is not on would lose the database in silence: the lines for both are a comment instead."""
    start, project = begin({**DJANGO, "Dockerfile": PYTHON + line})
    assert project.services[0].volumes == ()
    text = (tmp_path / "shop" / "ftl.yaml").read_text()
    (remark,) = [each.strip() for each in text.splitlines() if "db.sqlite3" in each]
    assert remark.startswith(
        "# db.sqlite3 of shop/settings.py is gone with each release: write `RUN mkdir -p /data"
    )
    assert "ln -sf /data/db.sqlite3 /code/db.sqlite3`" in remark
    assert owner in remark
    assert remark.removeprefix("# ") in start.todo


@pytest.mark.parametrize(
    ("files", "more", "volumes", "remark"),
    [
        ({**DJANGO, "shop/settings.py": MEDIA}, "", ("media:/code/media",), ""),
        ({**DJANGO, "shop/settings.py": MEDIA}, "USER app\n", ("media:/code/media",), "the user app of the Dockerfile must be the owner of /code/media"),
        ({**DJANGO, "shop/settings.py": MEDIA}, "RUN mkdir media && chown app media\nUSER app\n", ("media:/code/media",), ""),
        ({**DJANGO, "shop/settings.py": MEDIA}, "VOLUME /code/media\n", ("media:/code/media",), ""),
        (LARAVEL, "", ("storage:/code/storage",), ""),
        (LARAVEL, "RUN chown -R www-data .\nUSER www-data\n", ("storage:/code/storage",), ""),
        ({"app.py": "app = Flask(__name__)\nsqlite3.connect('db/a.sqlite')\n", "requirements.txt": "flask\n"}, "", ("data:/code/db",), ""),
        ({"app.py": "app = Flask(__name__)\nsqlite3.connect('db/a.sqlite')\n", "requirements.txt": "flask\n", "db/x.py": ""}, "", (), "db/a.sqlite of app.py is gone"),
        ({"app.py": "app = Flask(__name__)\nsqlite3.connect(path())\n", "requirements.txt": "flask\n"}, "USER me\n", (), "`RUN mkdir -p /data && chown me /data` above `USER me`"),
        ({"app.py": "app = Flask(__name__)\nsqlite3.connect('/var/db/a.db')\n", "requirements.txt": "flask\n"}, "", (), "write `volumes: [data:/var/db]` here"),
        ({"x.txt": ""}, "VOLUME [\"/var/lib/thing\"]\n", ("thing:/var/lib/thing",), ""),
        ({"package.json": package({"start": "node a.js"}, express="5", better_sqlite3="12"), "a.js": "new Database('/data/a.db')"}, "USER node\n", ("data:/data",), "the user node of the Dockerfile must be the owner of /data"),
    ],
)  # fmt: skip
def test_volumes_by_workdir_and_user(
    begin: Begin, files: Mapping[str, str], more: str, volumes: tuple[str, ...], remark: str
) -> None:
    """Paths are those of the image that is there; what its user cannot write is said."""
    start, project = begin({**files, "Dockerfile": PYTHON + more})
    assert project.services[0].volumes == volumes
    told = start.app.remarks.get("volumes", ())
    assert len(told) == bool(remark)
    assert all(remark in text and text in start.todo for text in told)


def test_a_path_without_workdir_is_a_question(begin: Begin) -> None:
    """Nothing says where the app is."""
    files = {**DJANGO, "shop/settings.py": MEDIA}
    start, project = begin({**files, "Dockerfile": "FROM base\nEXPOSE 8000\n"})
    assert project.services[0].volumes == ()
    assert ["`volumes: [media:PATH]`" in text for text in start.app.remarks["volumes"]] == [True]


def test_a_value_with_a_path_is_that_of_the_image(begin: Begin) -> None:
    """Laravel's file is below the folder that the volume is at."""
    _, project = begin({**LARAVEL, "Dockerfile": "FROM php\nWORKDIR /var/www/html\nCOPY . .\nEXPOSE 80\n"})
    web = project.services[0]
    assert (web.env["DB_DATABASE"], web.volumes) == (
        "/var/www/html/storage/database.sqlite",
        ("storage:/var/www/html/storage",),
    )


def test_a_worker_that_only_our_image_has_is_a_question(begin: Begin) -> None:
    """The program of a service is in its image, or the deploy fails."""
    files = {"go.mod": "module x\n\ngo 1.24\n", "cmd/server/main.go": SERVES, "cmd/worker/main.go": MAIN}
    start, project = begin(
        {**files, "Dockerfile": "FROM golang\nRUN go build -o /bin/x ./cmd/server\nEXPOSE 8080\n"}
    )
    assert [service.name for service in project.services] == ["web"]
    assert any("./cmd/worker looks like another process" in text for text in start.todo)


@pytest.mark.parametrize(
    ("more", "hook"),
    [
        ("", "npx prisma migrate deploy"),
        ("ENV PATH=/code/node_modules/.bin:$PATH\n", "prisma migrate deploy"),
        ("RUN npm install --global prisma@6\n", "prisma migrate deploy"),
    ],
)
def test_programs_of_packages_are_not_on_the_path(begin: Begin, more: str, hook: str) -> None:
    """Only FTL's image has node_modules/.bin there."""
    files = {
        "package.json": package({"start": "node a.js"}, express="5", prisma="6"),
        "prisma/schema.prisma": PRISMA,
        "prisma/migrations/1.sql": "",
    }
    _, project = begin({**files, "Dockerfile": f"FROM node\nWORKDIR /code\nCOPY . .\n{more}EXPOSE 3000\n"})
    hooks = project.services[0].hooks
    assert hooks.pre is not None
    assert hooks.pre.remote == hook


def test_things_to_do_about_the_app_are_kept(begin: Begin) -> None:
    """They have nothing to do with who wrote the Dockerfile."""
    start, _ = begin({**DJANGO, "shop/settings.py": "DEBUG = True\n", "Dockerfile": PYTHON})
    assert [text.partition(" ")[0] for text in start.todo] == ["set", "set", "DEBUG"]


def test_what_the_dockerfile_copies_is_in_its_context(tmp_path: Path, begin: Begin) -> None:
    """A jar that was built here, say."""
    pom = "<artifactId>spring-boot-starter-web</artifactId>"
    start, _ = begin({"pom.xml": pom, "Dockerfile": "FROM java\nCOPY target/*.jar app.jar\nEXPOSE 8080\n"})
    assert "\ntarget\n" not in start.files[".dockerignore"]
    assert "\nbuild\n" in start.files[".dockerignore"]
