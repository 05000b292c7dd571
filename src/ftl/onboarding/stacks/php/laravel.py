"""Laravel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import App, Evidence, FoundHealthCheck, Worker
from ftl.onboarding.stacks.health import redirects
from ftl.onboarding.stacks.node.package_json import build_script, node_assets
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.onboarding.folder import AppFolder


_IN_EVERY_IMAGE = """
    core ctype curl date dom fileinfo filter hash iconv json libxml mbstring mysqlnd openssl pcre pdo pdo_sqlite phar
    posix random readline reflection session simplexml sodium spl sqlite3 standard tokenizer xml xmlreader xmlwriter
    zlib
"""
_BUILT_IN = frozenset(_IN_EVERY_IMAGE.split())
"""Extensions of the images of PHP themselves."""

_OLDEST = (8, 2)
"""The oldest version that there is an image of FrankenPHP for."""
_DEFAULT = (8, 4)
_PARTS = re.compile(r"\s*\|\|?\s*")


@dataclass(frozen=True, slots=True)
class Requirements:
    """Packages, PHP and extensions that an app and its packages require.

    Attributes:
        packages: Direct dependencies, with their versions.
        php: The lowest version of PHP that all of them take.
        extensions: Extensions that the image lacks.
    """

    packages: Mapping[str, str]
    php: str
    php_reason: str
    extensions: tuple[str, ...]


def requirements(folder: AppFolder) -> Requirements:
    """Requirements of composer.json, and of the packages that composer.lock names for a server."""
    declared = folder.read_json("composer.json")
    own = _texts(declared.get("require"))
    lock = folder.read_json("composer.lock")
    sources: list[tuple[str, Mapping[str, str]]] = [("composer.json", own)]
    config = declared.get("config")
    if isinstance(config, dict):
        sources.append(("config.platform of composer.json", _texts(config.get("platform"))))
    sources.append(("composer.lock", _texts(lock.get("platform"))))
    sources += [("composer.lock", each) for each in _locked(lock)]
    version, reason = _DEFAULT, "default: no file names one"
    lowest: tuple[int, int] | None = None
    for file, required in sources:
        minimum = _minimum(required.get("php", ""))
        if minimum is not None and (lowest is None or minimum > lowest):
            lowest, reason = minimum, file
    if lowest is not None:
        version = max(lowest, _OLDEST)
    names = {
        name.removeprefix("ext-").removeprefix("zend-").lower(): None
        for _, required in sources
        for name in required
        if name.startswith("ext-")
    }
    extensions = tuple(name for name in names if name not in _BUILT_IN)
    return Requirements(own, ".".join(map(str, version)), reason, extensions)


def _locked(lock: Mapping[str, object]) -> Iterator[Mapping[str, str]]:
    packages = lock.get("packages")
    for package in packages if isinstance(packages, list) else ():
        yield _texts(package.get("require")) if isinstance(package, dict) else {}


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _minimum(constraint: str) -> tuple[int, int] | None:
    """The lowest version of a constraint: of `^8.1 || ^8.2` the first."""
    found = [
        (int(match[1]), int(match[2] or 0))
        for part in _PARTS.split(constraint)
        if (match := re.match(r"(?:>=|\^|~|=|v|>)?\s*(\d+)(?:\.(\d+))?", part.strip()))
    ]
    return min(found, default=None)


_ASSETS = (
    "# Plugins of the build run artisan, and stylesheets import from vendor: PHP and Node are in one stage.\n"
)
_LINK = (
    "# As `php artisan storage:link`: public files of the volume `storage`.\n"
    "RUN ln -sfn ../storage/app/public public/storage"
)
_KEY = "APP_KEY=base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""A key for the build alone, whose value does not matter there."""


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
    needed = requirements(folder)
    required = needed.packages
    script = build_script(folder) if folder.has("package.json") else None
    node = node_assets(folder) if script is not None else None
    driver = _dotenv(folder, "DB_CONNECTION") or "sqlite"
    redis = "redis" in {
        _dotenv(folder, "QUEUE_CONNECTION"),
        _dotenv(folder, "CACHE_STORE"),
        _dotenv(folder, "SESSION_DRIVER"),
    }
    of_driver = {"pgsql": "pdo_pgsql", "mysql": "pdo_mysql", "mariadb": "pdo_mysql"}.get(driver, "pdo_sqlite")
    extensions = (
        of_driver,
        "pcntl",
        "opcache",
        "intl",
        "zip",
        *(["redis"] if redis else []),
        *needed.extensions,
    )
    text = render(
        "laravel.dockerfile",
        {
            "version": needed.php,
            "extensions": " ".join(dict.fromkeys(extensions)),
            "locked": "composer.json composer.lock" if folder.has("composer.lock") else "composer.json",
            "link": _LINK,
            "packages": node.packages if node is not None else "",
            "assets": f"{_ASSETS}RUN {_KEY} {node.run} {script} && rm -rf node_modules"
            if node is not None
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
        health=_health(folder),
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
            "public/storage",
            "storage/logs/*",
            "storage/framework/cache/*",
        ),
        facts=(
            Evidence("PHP", needed.php, needed.php_reason, sure="default" not in needed.php_reason),
            Evidence("database driver", driver, ".env.example"),
            *(node.facts if node is not None else ()),
        ),
        todo=tuple(_todo(folder)),
    )


def _todo(folder: AppFolder) -> Iterator[str]:
    """Trust in the proxy, without which Laravel takes every request for HTTP, and links to `http://`."""
    old = "app/Http/Middleware/TrustProxies.php"
    if "trustProxies" in folder.read("bootstrap/app.php") or re.search(
        r"\$proxies\s*=\s*(?!null|;)\S", folder.read(old)
    ):
        return
    line = (
        f"`protected $proxies = '*';` in {old}"
        if folder.has(old)
        else "`$middleware->trustProxies(at: '*');` into `withMiddleware` of bootstrap/app.php"
    )
    yield f"write {line}: behind the proxy, Laravel takes requests for HTTP, and links and forms lead there"


def _health(folder: AppFolder) -> FoundHealthCheck:
    """Laravel's own check, else the start page unless it may lead to a login."""
    if "/up" in folder.read("bootstrap/app.php"):
        return FoundHealthCheck("/up", "bootstrap/app.php")
    written = folder.read("routes/web.php")
    page = re.search(r"Route::\w+\(\s*['\"]/?['\"](?:(?!Route::).)*", written, re.DOTALL)
    if written and (page is None or redirects(page[0])):
        return FoundHealthCheck(None, "/ of routes/web.php is not sure: it may redirect", maybe="/")
    return FoundHealthCheck("/", "the start page")


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
