"""Laravel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Evidence, FoundHealthCheck, Worker
from ftl.onboarding.stacks.node.package_json import manager
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.onboarding.folder import AppFolder


def laravel(folder: AppFolder) -> str | None:
    """Evidence of Laravel."""
    if not folder.has("composer.json"):
        return None
    required = folder.read_json("composer.json").get("require")
    return (
        "laravel/framework in composer.json"
        if isinstance(required, dict) and "laravel/framework" in required
        else None
    )


def describe_laravel(folder: AppFolder, evidence: str) -> App:
    """Laravel on FrankenPHP."""
    value = folder.read_json("composer.json").get("require")
    required = {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}
    version = re.search(r"(8\.\d)", required.get("php", ""))
    assets = folder.has("vite.config.js", "vite.config.ts") and folder.has("package.json")
    frontend = ""
    if assets:
        used, lock = manager(folder)
        frontend = f"""FROM node:24-slim AS frontend
WORKDIR /app
{used.prepare}
COPY package.json {lock or ""} ./
RUN --mount=type=cache,target={used.cache} {used.install if lock else used.unlocked}
COPY . .
RUN {used.run} build
""".replace("\n\n", "\n").replace("json  ./", "json ./")
    driver = _dotenv(folder, "DB_CONNECTION") or "sqlite"
    redis = "redis" in {
        _dotenv(folder, "QUEUE_CONNECTION"),
        _dotenv(folder, "CACHE_STORE"),
        _dotenv(folder, "SESSION_DRIVER"),
    }
    extensions = {"pgsql": "pdo_pgsql", "mysql": "pdo_mysql", "mariadb": "pdo_mysql"}.get(
        driver, "pdo_sqlite"
    )
    text = render(
        "laravel.dockerfile",
        {
            "frontend": frontend,
            "version": version[1] if version else "8.4",
            "extensions": f"{extensions} pcntl opcache intl zip" + (" redis" if redis else ""),
            "locked": "composer.json composer.lock" if folder.has("composer.lock") else "composer.json",
            "copy_frontend": "COPY --from=frontend --chown=app:app /app/public/build ./public/build"
            if assets
            else "",
        },
    )
    known = set(required) | {f"laravel:{driver}"} | ({"laravel:redis"} if redis else set())
    env = {"APP_KEY": ("${APP_KEY}", "config/app.php"), "APP_URL": ("https://@domain@", "config/app.php")}
    volumes = {"storage:/app/storage": "uploads, sessions and logs"}
    if driver == "sqlite":
        env["DB_DATABASE"] = ("/app/storage/database.sqlite", "the SQLite file, on the volume")
    connection = _dotenv(folder, "QUEUE_CONNECTION") or "database"
    return App(
        stack="Laravel",
        evidence=evidence,
        port=8000,
        port_reason="CMD of the Dockerfile",
        dockerfile=text,
        packages=frozenset(known),
        start=("frankenphp", "php-server"),
        start_reason="FrankenPHP",
        health=FoundHealthCheck("/up", "bootstrap/app.php")
        if "/up" in folder.read("bootstrap/app.php")
        else FoundHealthCheck("/", "the start page"),
        hook="touch -a storage/database.sqlite && php artisan migrate --force"
        if driver == "sqlite"
        else "php artisan migrate --force",
        hook_reason="database/migrations",
        workers=tuple(_workers(folder, required, connection)),
        env=env,
        secrets={"APP_KEY": _dotenv(folder, "APP_KEY", ".env") or "@laravel@"},
        volumes=volumes,
        ignored=(
            "vendor",
            "node_modules",
            "public/build",
            "public/hot",
            "storage/logs/*",
            "storage/framework/cache/*",
        ),
        facts=(Evidence("database driver", driver, ".env.example"),),
    )


def _workers(folder: AppFolder, required: Mapping[str, str], connection: str) -> Iterator[Worker]:
    """The queue, by Horizon where the app has it, and the scheduler where the app schedules something."""
    if "laravel/horizon" in required:
        yield Worker("worker", ("php", "artisan", "horizon"), "laravel/horizon in composer.json", single=True)
    elif connection != "sync":
        command = ("php", "artisan", "queue:work", "--tries=3", "--max-time=3600")
        yield Worker("worker", command, f"the queue is {connection}")
    for file in ("routes/console.php", "app/Console/Kernel.php", "bootstrap/app.php"):
        written = re.sub(r"^[ \t]*(?://|#|\*).*$", "", folder.read(file), flags=re.MULTILINE)
        if re.search(r"\bSchedule::\w+\(|\$schedule->|->(?:daily|hourly|everyMinute|cron)\w*\(", written):
            yield Worker(
                "scheduler", ("php", "artisan", "schedule:work"), f"a schedule in {file}", single=True
            )
            return


def _dotenv(folder: AppFolder, name: str, *files: str) -> str | None:
    for file in files or (".env.example", ".env"):
        if match := re.search(rf"^{name}=[\"']?([^\s\"'#]+)", folder.read(file), re.MULTILINE):
            return match[1]
    return None
