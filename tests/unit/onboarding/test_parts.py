"""Apps of several parts: apps below one, and scripts before its start."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.starter import make_start

from .apps import MANAGE, SETTINGS
from .conftest import put_files
from .dockerfile_faults import faults
from .odd_apps import SERVES, using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .conftest import Begin

VITE = using()["package.json"]
DJANGO = {"manage.py": MANAGE, "shop/settings.py": SETTINGS, "requirements.txt": "django\ngunicorn\n"}


def express(scripts: Mapping[str, str], **more: str) -> dict[str, str]:
    """An app of express with these scripts."""
    data = {
        "scripts": scripts,
        "dependencies": {"express": "5"},
        "devDependencies": {"typescript": "5", **more},
    }
    return {"package.json": json.dumps(data), "package-lock.json": "{}", "server.js": "app.listen(3000)"}


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({**DJANGO, "frontend/package.json": VITE}, "frontend is another app (built site), which this Dockerfile does not build"),
        ({**express({"start": "node server.js"}), "client/package.json": VITE}, "client is another app"),
        (
            {"go.mod": "module x\n\ngo 1.24\n", "main.go": f"{SERVES}//go:embed all:web/dist\nvar f embed.FS\n", "web/package.json": VITE},
            "web is another app (built site), whose files main.go embeds, which",
        ),
        ({**express({"start": "node server.js", "build": "npm run build --prefix client"}), "client/package.json": VITE}, ""),
        ({**express({"start": "node server.js", "heroku-postbuild": "cd client && npm ci && npm run build"}), "client/package.json": VITE}, ""),
        ({**DJANGO, "examples/package.json": VITE}, ""),
        ({"requirements.txt": "django\n", "site/manage.py": MANAGE, "site/shop/settings.py": SETTINGS}, ""),
    ],
)  # fmt: skip
def test_an_app_below_the_app_is_named(begin: Begin, files: Mapping[str, str], word: str) -> None:
    """Its pages were missing in the image without a word."""
    told = [text for text in begin(files)[0].todo if "is another app" in text]
    assert len(told) == bool(word)
    assert all(text.startswith(word) for text in told)


def test_a_start_of_several_programs_is_no_command(tmp_path: Path) -> None:
    """One of them is a development server."""
    files = express({"start": 'concurrently "npm:server" "npm:client"'}, concurrently="9")
    put_files(tmp_path, {**files, "client/package.json": VITE, "server/package.json": files["package.json"]})
    with pytest.raises(UsageError, match="runs several programs, and there are apps below: client") as caught:
        make_start(tmp_path)
    assert "`build: ./client`" in (caught.value.hint or "")


def test_the_build_for_heroku_is_the_build(begin: Begin) -> None:
    """Heroku runs it in place of `build`."""
    scripts = {
        "start": "node server.js",
        "build": "tsc",
        "heroku-postbuild": "cd client && npm ci && npm run build",
    }
    text = begin(express(scripts))[0].files["Dockerfile"]
    assert "RUN npm run heroku-postbuild\n" in text
    assert "RUN npm run build" not in text


@pytest.mark.parametrize(
    ("scripts", "lines", "command", "hook"),
    [
        ({"prestart": "npm run build", "build": "tsc", "start": "node d/a.js"}, ("RUN npm run build\n",), ("node", "d/a.js"), None),
        ({"prestart": "tsc -p .", "start": "node d/a.js"}, ("RUN npx tsc -p .\n",), ("node", "d/a.js"), None),
        ({"prestart": "npm run compile", "compile": "tsc", "start": "node d/a.js"}, ("RUN npm run compile\n",), ("node", "d/a.js"), None),
        ({"build": "tsc", "start": "npm run build && node d/a.js"}, ("RUN npm run build\n",), ("node", "d/a.js"), None),
        ({"start": "tsc && node d/a.js"}, ("RUN npx tsc\n",), ("node", "d/a.js"), None),
        ({"prestart": "npm run migrate", "migrate": "knex migrate:latest", "start": "node a.js"}, (), ("node", "a.js"), "npm run migrate"),
        ({"start": "cd build && node server.js"}, (), ("sh", "-c", "cd build && exec node server.js"), None),
        ({"start": "export BUILD=build && node a.js"}, (), ("sh", "-c", "export BUILD=build && exec node a.js"), None),
        ({"start": "mkdir -p build && node a.js"}, (), ("sh", "-c", "mkdir -p build && exec node a.js"), None),
        ({"start": "NODE_ENV=production tsc -p . && node a.js"}, ("RUN NODE_ENV=production npx tsc -p .\n",), ("node", "a.js"), None),
        ({"prestart": "npm run clean && npm run build", "clean": "rimraf d", "build": "tsc", "start": "node d/a.js"}, ("RUN npm run clean\nRUN npm run build\n",), ("node", "d/a.js"), None),
        ({"prestart": "npm --prefix client run build", "start": "node a.js"}, ("RUN npm --prefix client run build\n",), ("node", "a.js"), None),
        ({"prestart": "pnpm -C client build", "start": "node a.js"}, ("RUN pnpm -C client build\n",), ("node", "a.js"), None),
        ({"prestart": "yarn client:build", "start": "node a.js"}, ("RUN yarn client:build\n",), ("node", "a.js"), None),
        ({"prestart": "mkdir -p logs", "start": "node a.js"}, (), ("sh", "-c", "mkdir -p logs && exec node a.js"), None),
        ({"prestart": "node check.js", "start": "node a.js"}, (), ("sh", "-c", "node check.js && exec node a.js"), None),
        ({"start": "node build/a.js && node b.js"}, (), ("sh", "-c", "node build/a.js && exec node b.js"), None),
    ],
)  # fmt: skip
def test_what_npm_does_before_the_start(
    begin: Begin,
    scripts: Mapping[str, str],
    lines: tuple[str, ...],
    command: tuple[str, ...],
    hook: str | None,
) -> None:
    """What builds is done while the packages for it are there, what migrates once for each release."""
    start, project = begin(express(scripts))
    text = start.files["Dockerfile"]
    before = text.partition("RUN npm prune")[0]
    assert [line for line in lines if before.count(line) != 1] == []
    assert start.app.start == command
    hooks = project.services[0].hooks
    assert (hooks.pre.remote if hooks.pre else None) == hook
    assert faults(text) == []


@pytest.mark.parametrize(
    ("line", "more", "left_out"),
    [
        ("npm run lint", {"lint": "eslint ."}, ["npm run lint"]),
        ("eslint .", {}, ["eslint ."]),
        ("npx eslint .", {}, ["npx eslint ."]),
        ("kill-port 3000", {}, ["kill-port 3000"]),
        ("docker compose up -d", {}, ["docker compose up -d"]),
        ("cd client && npm run build", {}, ["cd client && npm run build"]),
        ("node check.js || true", {}, ["node check.js || true"]),
        ("eslint . && node check.js", {}, ["eslint ."]),
        ("express --version", {}, []),
        ("npm install", {}, []),
        ("npm run check", {"check": "node check.js"}, []),
    ],
)
def test_what_the_image_cannot_run_before_the_start(
    begin: Begin, line: str, more: Mapping[str, str], left_out: list[str]
) -> None:
    """Its container ended at once: packages of development are gone there."""
    start, _ = begin(express({"prestart": line, "start": "node a.js", **more}, eslint="9"))
    kept = " && ".join(
        part for part in line.split(" && ") if part not in {*left_out, "npm install"} and line not in left_out
    )
    assert start.app.start == (("sh", "-c", f"{kept} && exec node a.js") if kept else ("node", "a.js"))
    told = [text for text in start.todo if "the script prestart has it" in text]
    assert [f"`{part}`" in text for part, text in zip(left_out, told, strict=True)] == [True] * len(left_out)
    assert "RUN npm prune" in start.files["Dockerfile"]


@pytest.mark.parametrize(
    ("scripts", "is_first"),
    [
        ({"postinstall": "tsc"}, True),
        ({"postinstall": "node scripts/x.js"}, True),
        ({"prepare": "npm run build"}, True),
        ({"postinstall": "prisma generate && node x.js"}, True),
        ({"postinstall": "prisma generate"}, False),
        ({"prepare": "husky"}, False),
        ({"prepare": "svelte-kit sync || echo ''"}, False),
        ({"preinstall": "npx only-allow pnpm"}, False),
    ],
)
def test_scripts_of_the_installation_have_their_files(
    begin: Begin, scripts: Mapping[str, str], is_first: bool
) -> None:
    """`npm ci` runs them, before the files of the app are copied in the usual order."""
    text = begin(express({"start": "node server.js", **scripts}))[0].files["Dockerfile"]
    assert ("COPY . ./\nRUN" in text) is is_first
    assert ("\nCOPY . .\n" in text) is not is_first
    assert faults(text) == []
