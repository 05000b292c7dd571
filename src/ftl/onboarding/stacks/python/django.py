"""Django: its settings, entry point and migrations."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import App, Command, Evidence, FoundHealthCheck
from ftl.onboarding.folder import NOT_SOURCE
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.python.app import ANY, PORT, any_python, python_app
from ftl.onboarding.stacks.python.media import find_media
from ftl.onboarding.stacks.python.packages import packages
from ftl.onboarding.stacks.sqlite import NO_SQLITE, SqliteFile, has_other_client
from ftl.onboarding.variables.calls import has_default

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


_FOR_SERVERS = ("production", "prod", "live", "deploy")
"""Usual names of the settings for a server, where manage.py names those for development."""

_NEEDED = re.compile(
    r"""(?:os\.environ|(?<![.\w])environ)\[\s*["'](?P<a>[A-Z][A-Z0-9_]+)["']\s*\]
      |os\.getenv\(\s*["'](?P<g>[A-Z][A-Z0-9_]+)["']\s*\)
      |(?<![.\w])(?:env|config)(?:\.(?P<kind>[a-z_]+))?\(\s*["'](?P<b>[A-Z][A-Z0-9_]+)["'](?P<rest>[^()]*)\)""",
    re.VERBOSE,
)
_IMPORT = re.compile(r"^from\s+(\.*[\w.]*)\s+import\s+\*", re.MULTILINE)
_OF_KIND = {
    "int": "1", "float": "1", "bool": "0", "json": "{}", "dict": "a=b",
    "db": "sqlite://:memory:", "db_url": "sqlite://:memory:", "cache": "locmemcache://", "cache_url": "locmemcache://",
    "email": "consolemail://", "email_url": "consolemail://", "url": "http://localhost",
}  # fmt: skip
"""Reader of django-environ or cast of python-decouple -> a value that it takes."""

_ENGINE = "django.db.backends.sqlite3"
_USUAL = re.compile(
    r"""BASE_DIR\s*/\s*["']db\.sqlite3["']|\bjoin\(\s*BASE_DIR\s*,\s*["']db\.sqlite3["']"""
    r"""|["']NAME["']\s*:\s*["']db\.sqlite3["']"""
)
"""The file where Django's generator has it, next to manage.py."""

_DATABASE = re.compile(rf"\{{[^{{}}]*{re.escape(_ENGINE)}[^{{}}]*\}}")
_NAME = re.compile(r"""["']NAME["']\s*:\s*(?:["'](?P<text>[^"'\n]*)["']\s*[,}\n])?""")


@dataclass(frozen=True, slots=True)
class DjangoSettings:
    """The settings module of an app on a server.

    Attributes:
        file: Its path; empty if there is none.
        text: Its text, and that of the modules it imports all names of.
        module: Its dotted name.
        default: What manage.py names.
    """

    file: str
    text: str
    module: str
    default: str

    @property
    def is_other(self) -> bool:
        """Whether the image has to name it, since manage.py names another one."""
        return self.module != self.default


def find_settings(folder: AppFolder) -> DjangoSettings:
    """The module of wsgi.py, else one for production in the folder, else that of manage.py."""
    default = _named(folder.read("manage.py")) or "settings"
    package, _, _ = default.rpartition(".")
    server = next(
        (
            name
            for file, text in folder.sources.items()
            if file.endswith("/wsgi.py") and (name := _named(text))
        ),
        "",
    )
    choices = [server, *(f"{package}.{name}" for name in _FOR_SERVERS if package), default]
    module = next((name for name in choices if name and _file(folder, name)), default)
    if not package.count(".") and module != server:
        module = default  # one module beside the code; `shop/production.py` may be anything
    file = _file(folder, module)
    return DjangoSettings(file, _text(folder, module, set()), module, default)


def build_values(text: str) -> str:
    """Assignments of a shell for the variables that the settings demand, each with a space."""
    found: dict[str, str] = {}
    for match in _NEEDED.finditer(text):
        name, kind, rest = match["a"] or match["b"] or "", match["kind"] or "", match["rest"] or ""
        if not name or has_default(rest):
            continue
        cast = re.search(r"cast\s*=\s*(\w+)", rest)
        found.setdefault(name, _OF_KIND.get(cast[1] if cast else kind) or _usual(name))
    return "".join(f"{name}={value} " for name, value in found.items())


def _usual(name: str) -> str:
    """A value for a variable of no known kind, by its name."""
    if re.search(r"(?:DATABASE|DB)_UR[LI]$", name):
        return "sqlite://:memory:"
    if "REDIS" in name or "BROKER" in name:
        return "redis://localhost"
    if name.endswith(("_URL", "_URI", "_DSN")):
        return "http://localhost"
    return "1" if re.search(r"(?:PORT|TIMEOUT|COUNT|SIZE|_ID|DEBUG)$", name) else "unused"


def _named(text: str) -> str:
    match = re.search(r"DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([\w.]+)", text)
    return match[1] if match else ""


def _file(folder: AppFolder, module: str) -> str:
    path = module.replace(".", "/")
    return folder.has(f"{path}.py", f"{path}/__init__.py") or ""


def _text(folder: AppFolder, module: str, seen: set[str]) -> str:
    """The text of a module, and of those that it imports all names of."""
    file = _file(folder, module)
    if not file or module in seen:
        return ""
    seen.add(module)
    text = folder.read(file)
    package = module if file.endswith("/__init__.py") else module.rpartition(".")[0]
    for match in _IMPORT.finditer(text):
        name = match[1]
        if name.startswith("."):
            up = len(name) - len(name.lstrip(".")) - 1
            parts = package.split(".")[: len(package.split(".")) - up]
            name = ".".join([*parts, name.lstrip(".")]).strip(".")
        text += _text(folder, name, seen)
    return text


def find_django_sqlite(text: str, settings: str, *, is_only: bool) -> SqliteFile:
    """The SQLite file; `is_only` says that the app has no client of another database."""
    if _ENGINE not in text:
        return NO_SQLITE
    if _USUAL.search(text):
        return SqliteFile("db.sqlite3", settings)
    names = [name for each in _DATABASE.findall(text) if (name := _NAME.search(each))] if is_only else []
    for name in names:
        is_computed = name["text"] is None
        written = str(name["text"] or "")
        if is_computed or (written and ":memory:" not in written):
            return SqliteFile("", settings, absolute=written if written.startswith("/") else "")
    return NO_SQLITE


def django(folder: AppFolder) -> str | None:
    """Evidence of a Django project, at the top or one folder below the list of its packages."""
    if folder.has("manage.py"):
        return "manage.py" if "django" in folder.read("manage.py").lower() else None
    if any_python(folder) is None:
        return None
    below = [
        f"{path.name}/manage.py"
        for path in sorted(folder.path.iterdir())
        if path.name not in NOT_SOURCE
        and folder.has(f"{path.name}/manage.py")
        and "django" in folder.read(f"{path.name}/manage.py").lower()
        and any_python(folder / path.name) is None
    ]
    return below[0] if len(below) == 1 else None


def describe_django(folder: AppFolder, evidence: str) -> App:
    """A Django project behind gunicorn, or uvicorn where it is asynchronous."""
    used = packages(folder)
    below = evidence.rpartition("/")[0]
    code = folder / below if below else folder
    chosen = find_settings(code)
    settings, text = chosen.file, chosen.text
    module = re.search(r"WSGI_APPLICATION\s*=\s*[\"']([\w.]+)\.application", text)
    site = module[1].partition(".")[0] if module else settings.partition("/")[0].removesuffix(".py") or "app"
    asynchronous = bool(used & {"channels", "daphne"})
    named = re.search(r"ASGI_APPLICATION\s*=\s*[\"']([\w.]+)\.(\w+)", text)
    application = f"{named[1]}:{named[2]}" if named else f"{site}.asgi:application"
    start: Command = (
        "gunicorn",
        "--bind",
        f"{ANY}:{PORT}",
        "--workers",
        "2",
        module[1] if module else f"{site}.wsgi",
    )
    if "daphne" in used:
        start = ("daphne", "--proxy-headers", "-b", ANY, "-p", str(PORT), application)
    elif asynchronous:
        start = ("uvicorn", "--host", ANY, "--port", str(PORT), application)
    reason = f"{'asgi' if asynchronous else 'wsgi'} application of {settings or 'the project'}"
    if not (named if asynchronous else module) and not code.has(f"{site}/wsgi.py", f"{site}/asgi.py"):
        reason = f"nothing names the app, so check CMD of the Dockerfile: there is no {site}/wsgi.py"
    generated = re.search(r"using Django (\d+\.\d+)", text)
    assumed = f"django~={generated[1]}.0" if generated else "django"
    after: list[str] = [f"WORKDIR /app/{below}"] if below else []
    facts: list[Evidence] = []
    if chosen.is_other:
        after.append(f"ENV DJANGO_SETTINGS_MODULE={chosen.module}")
        facts.append(Evidence("settings", chosen.module, f"{settings}; {chosen.default} is for development"))
    todo: list[str] = []
    env: dict[str, tuple[str, str]] = {}
    volumes: dict[str, str] = {}
    if re.search(r"^STATIC_ROOT\s*=", text, re.MULTILINE):
        if needed := build_values(text):
            after.append("# The settings need these variables to load; here their values do not matter.")
        after.append(f"RUN {needed}python manage.py collectstatic --noinput")
        facts.append(Evidence("static files", "collectstatic", f"STATIC_ROOT in {settings}"))
    else:
        todo.append(
            "set STATIC_ROOT (and use whitenoise): without it, static files are served while DEBUG is on only"
        )
    sqlite = find_django_sqlite(text, settings, is_only=not has_other_client(used))
    after += filter(None, [sqlite.on_volume("app")])
    volumes |= sqlite.volumes
    about_file = sqlite.todo(code, "app")
    todo += about_file
    media = find_media(text, settings, below)
    if media is not None:
        after += media.lines
        volumes |= media.volumes
        todo += media.todo(code, below)
    health = found_health(code)
    hosts = re.search(r"^ALLOWED_HOSTS\s*=\s*(.*)", text, re.MULTILINE)
    variable = re.search(r"[\"']([A-Z_]*ALLOWED_HOSTS?)[\"']", text[hosts.start() :][:300] if hosts else "")
    if variable:
        env[variable[1]] = ("@domain@", "ALLOWED_HOSTS, by the settings")
        health = (
            health
            if health.path or health.maybe
            else FoundHealthCheck(None, f"{settings} names no page that is always there")
        )
    elif hosts and "*" not in hosts[1]:
        todo.append(f"add your domain to ALLOWED_HOSTS in {settings}: Django answers 400 to other host names")
        health = FoundHealthCheck(None, "a page answers once ALLOWED_HOSTS has the domain")
    if re.search(r"^DEBUG\s*=\s*True", text, re.MULTILINE):
        todo.append(f"DEBUG is True in {settings}: turn it off before others can reach the site")
    app = python_app(
        folder,
        "Django",
        evidence,
        start,
        reason,
        assumed,
        after=after,
        health=health,
        migration=("python manage.py migrate --noinput", "manage.py"),
        env=env,
        volumes=volumes,
        facts=facts,
        todo=todo,
        ignored=tuple(
            f"{below}/{name}".lstrip("/")
            for name in ("db.sqlite3*", "staticfiles", *(media.ignored(below) if media is not None else ()))
        ),
        celery=site,
        code=code,
    )
    file = sqlite.data_file
    if file is not None and file.path:
        file = replace(file, path=posixpath.join(below, file.path))
    return replace(app, data_file=file, image_todo=about_file, below=below)
