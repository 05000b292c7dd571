"""Laravel: the version of PHP, its extensions, and assets that need PHP and Node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.onboarding.apps import package
from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from tests.unit.onboarding.conftest import Begin


def app(php: str | None = "^8.2", lock: list[dict[str, str]] | None = None, **more: Any) -> dict[str, str]:
    """An app of Laravel, whose lock file has packages with these requirements."""
    required = {"laravel/framework": "^12"} | ({"php": php} if php else {})
    files = {"composer.json": json.dumps({"require": required | more.pop("require", {}), **more})}
    if lock is not None:
        files["composer.lock"] = json.dumps({"packages": [{"name": "a", "require": each} for each in lock]})
    return files


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (app(None), "8.4"),
        (app("^8.2"), "8.2"),
        (app("^8.3|^8.4"), "8.3"),
        (app(">=7.4"), "8.2"),
        (app("^8"), "8.2"),
        (app("*"), "8.4"),
        (app("^8.2", [{"php": ">=8.1"}, {"php": ">=8.4.0"}, {"php": "~8.2.0 || ~8.3.0"}, {}]), "8.4"),
        (app("^8.2", [{"php": "^7.2 || ^8.0"}]), "8.2"),
        (app("^8.2", config={"platform": {"php": "8.3.10"}}), "8.3"),
    ],
)
def test_the_version_of_php(begin: Begin, files: dict[str, str], version: str) -> None:
    """The lowest that all packages of the lock file take: with that of composer.json they were refused."""
    text = begin(files)[0].files["Dockerfile"]
    assert f"FROM dunglas/frankenphp:1-php{version} AS base\n" in text


def test_a_version_that_nothing_names(begin: Begin) -> None:
    """It is said at the top of the Dockerfile."""
    assert begin(app(None))[0].files["Dockerfile"].startswith("# PHP 8.4 is assumed:")


def test_extensions_of_the_app_and_its_packages(begin: Begin) -> None:
    """Each that the image lacks is installed, once."""
    files = app(
        lock=[{"ext-gd": "*", "ext-json": "*", "ext-intl": "*"}, {"ext-bcmath": "*", "ext-mbstring": "*"}],
        require={"ext-imagick": "*", "ext-zend-opcache": "*", "ext-gd": "*"},
    )
    text = begin(files)[0].files["Dockerfile"]
    assert "RUN install-php-extensions pdo_sqlite pcntl opcache intl zip imagick gd bcmath\n" in text


@pytest.mark.parametrize(
    ("scripts", "lock", "lines"),
    [
        ({"build": "vite build"}, "package-lock.json", ("npm ci", "npm run build")),
        ({"build": "vite build"}, "pnpm-lock.yaml", ("pnpm install --frozen-lockfile", "pnpm run build")),
        ({"production": "mix --production"}, "yarn.lock", ("yarn install", "yarn run production")),
    ],
)
def test_assets_are_built_with_php_and_vendor(
    begin: Begin, scripts: dict[str, str], lock: str, lines: tuple[str, str]
) -> None:
    """Plugins of Vite run artisan, and stylesheets import from vendor: in a stage with Node alone both failed."""
    files = {**app(lock=[]), "package.json": package(scripts, vite="7"), lock: ""}
    text = begin(files)[0].files["Dockerfile"]
    stage = text.partition("FROM base AS build\n")[2].partition("\nFROM ")[0]
    order = ["composer install", lines[0], "COPY . .", "composer dump-autoload", lines[1]]
    assert sorted(order, key=stage.index) == order
    assert f"RUN APP_KEY=base64:{'A' * 43}= {lines[1]} && rm -rf node_modules" in stage
    assert "COPY --from=node:24-slim /usr/local/bin/ /usr/local/bin/\n" in stage
    assert "frontend" not in text
    assert faults(text) == []


def test_an_app_without_assets(begin: Begin) -> None:
    """No Node is in its image: a package.json may be of tools alone."""
    text = begin({**app(), "package.json": package({"lint": "eslint"})})[0].files["Dockerfile"]
    assert "node" not in text
