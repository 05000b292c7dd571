"""Django's settings: the module for a server, variables that it demands, its SQLite file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.stacks.sqlite import NO_SQLITE, SqliteFile
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
