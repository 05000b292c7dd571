"""Ruby on Rails."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, ScalarNode
from ftl.onboarding.app import App, Evidence, FoundHealthCheck, Worker
from ftl.onboarding.foreign_yaml import documents, flat
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.node.package_json import node_assets
from ftl.onboarding.stacks.ruby.gemfile import (
    UNLOCKED,
    dockerfile_values,
    gems,
    is_locked,
    locked_version,
    production_gems,
    ruby_version,
)
from ftl.onboarding.templates import cmd, render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


_BUNDLERS = frozenset({
    "jsbundling-rails", "cssbundling-rails", "vite_rails", "vite_ruby", "shakapacker", "webpacker"
})  # fmt: skip
"""Gems whose assets are built by Node."""

_CLIENTS = frozenset({"pg", "mysql2", "trilogy"})

_IGNORED = (
    *("log/*", "tmp/*", "storage/*", "db/*.sqlite3*", "public/assets"),
    *("node_modules", "vendor/bundle", ".bundle"),
    *("config/master.key", "config/credentials/*.key"),
)
_COMPILED = "RUN bundle exec bootsnap precompile {}"
"""Else each new container compiles the Ruby of app and gems before it answers."""

_FIRST_COMMAND = (1, 5)
"""The version of bootsnap that its command line came with."""

_NO_KEY = "set RAILS_MASTER_KEY in .env: it opens {}, and its file is not here"
_ON_VOLUME = "the SQLite file, on the volume: config/database.yml has none there"


def rails(folder: AppFolder) -> str | None:
    """Evidence of Ruby on Rails."""
    return (
        "rails in the Gemfile"
        if re.search(r"^[ \t]*gem ['\"]rails['\"]", folder.read("Gemfile"), re.M)
        else None
    )


def describe_rails(folder: AppFolder, evidence: str) -> App:
    """Rails behind puma."""
    used, installed = gems(folder), production_gems(folder)
    version, reason = ruby_version(folder)
    is_api = "config.api_only = true" in folder.read("config/application.rb")
    node = node_assets(folder) if folder.has("package.json") and used & _BUNDLERS and not is_api else None
    # The dummy is of Rails 7.1; older ones take any value
    keys = "SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=unused"
    assets = "" if is_api else f"RUN {keys} bundle exec rails assets:precompile"
    if node is not None:
        assets += " && rm -rf node_modules"
    compiles = (
        "bootsnap" in installed and (locked_version(folder, "bootsnap") or _FIRST_COMMAND) >= _FIRST_COMMAND
    )
    text = render(
        "rails.dockerfile",
        {
            **dockerfile_values(folder, "libjemalloc2"),
            "packages": node.packages if node is not None else "",
            "compiled_gems": _COMPILED.format("--gemfile") if compiles else "",
            "compiled_app": _COMPILED.format("app/ lib/") if compiles else "",
            "assets": assets,
            "port": "3000",
            "cmd": cmd(("bundle", "exec", "puma", "-C", "config/puma.rb", "-b", "tcp://0.0.0.0:3000")),
        },
    )
    up = "rails/health#show" in folder.read("config/routes.rb")
    key, where, master = _key(folder)
    is_given = "RAILS_MASTER_KEY=" in folder.read(".env")
    files = sqlite_variables(folder, has_server=bool(installed & _CLIENTS))
    workers = []
    if "sidekiq" in used:
        workers.append(Worker("worker", ("bundle", "exec", "sidekiq"), "sidekiq in the Gemfile"))
    elif "solid_queue" in used and folder.has("bin/jobs"):
        workers.append(Worker("worker", ("bin/jobs",), "solid_queue in the Gemfile"))
    return App(
        stack="Rails",
        evidence=evidence,
        port=3000,
        port_reason="CMD of the Dockerfile",
        dockerfile=text,
        top="/rails",
        packages=used,
        addresses={client: database_variables(folder) for client in used & _CLIENTS},
        start=("bundle", "exec", "puma"),
        start_reason="puma",
        health=FoundHealthCheck("/up", "rails/health in config/routes.rb") if up else found_health(folder),
        hook="bundle exec rails db:prepare",
        hook_reason="db/" if folder.has_folder("db") else "Rails",
        workers=tuple(workers),
        env={key: (f"${{{key}}}", where), **{name: (value, _ON_VOLUME) for name, value in files.items()}},
        secrets=({key: "@hex64@"} if key == "SECRET_KEY_BASE" else {key: master} if master else {}),
        volumes={"storage:/rails/storage": "uploads, and SQLite files"}
        if folder.has_folder("storage") or "sqlite3" in used
        else {},
        ignored=_IGNORED,
        todo=(
            *(() if is_locked(folder) else (UNLOCKED,)),
            *((_NO_KEY.format(where),) if key == "RAILS_MASTER_KEY" and not (master or is_given) else ()),
        ),
        facts=(
            Evidence("Ruby", version, reason, sure="default" not in reason),
            *(node.facts if node is not None else ()),
        ),
    )


def _key(folder: AppFolder) -> tuple[str, str, str]:
    """The variable that production needs, what asks for it, and its value if a file has it."""
    for credentials, key in (
        ("config/credentials/production.yml.enc", "config/credentials/production.key"),
        ("config/credentials.yml.enc", "config/master.key"),
    ):
        if folder.has(credentials):
            return "RAILS_MASTER_KEY", credentials, folder.read(key).strip()
    return "SECRET_KEY_BASE", "Rails", ""


_FILE = "config/database.yml"
_STATEMENT = re.compile(r"^[ \t]*<%(?!=).*%>[ \t]*$", re.MULTILINE)
_VALUE = re.compile(r"<%=\s*(.*?)\s*%>")
_VARIABLE = re.compile(r"""ENV(?:\.fetch\(|\[)\s*["'](\w+)["']""")
_OF_ERB = "erb:"
_FILE_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_PRIMARY = frozenset({"", "primary"})
_STORAGE = "storage/"
"""The folder below the app's that is on a volume."""


def database_variables(folder: AppFolder) -> dict[str, str]:
    """Variable -> name of its database, where production has several; empty for the primary one.

    Active Record takes `NAME_DATABASE_URL` for each, and `DATABASE_URL` for the one called primary alone. Those that
    get host and password by variables of the app need none.
    """
    entries = {name: entry for name, entry in _entries(folder).items() if name and _is_own(entry)}
    found: dict[str, str] = {}
    primary = entries.get("primary") or next(iter(entries.values()), {})
    for name, entry in entries.items():
        database = entry.get("database", "")
        url = entry.get("url", "")
        is_primary = entry is primary or (bool(database) and database == primary.get("database"))
        is_elsewhere = entry.get("database_tasks") == "false" and not is_primary  # nothing creates it here
        if is_elsewhere or (url and not url.startswith(_OF_ERB)):
            continue
        variable = _read_by(url) or _variable(name)
        found[variable] = "" if is_primary else database if re.fullmatch(r"[\w-]+", database) else name
    return found


def sqlite_variables(folder: AppFolder, *, has_server: bool) -> dict[str, str]:
    """Variable -> value that puts an SQLite file of production below `storage`.

    There is one for each file that is elsewhere: `rails new` of 7.2 names none for production, and older ones one
    in `db`, which is gone with each release. With the client of a server (`has_server`) that no database names, the
    primary one has none: `DATABASE_URL` leads it to the server, whatever its adapter.
    """
    found: dict[str, str] = {}
    entries = _entries(folder)
    is_replaced = has_server and all(_is_file(entry) for entry in entries.values())
    for name, entry in entries.items():
        path, url = entry.get("database", ""), entry.get("url", "")
        is_elsewhere = not path.startswith((_STORAGE, "/"))  # an absolute path is the image's
        if not _is_file(entry) or not is_elsewhere or (is_replaced and name in _PRIMARY):
            continue
        usual = "production.sqlite3" if name in _PRIMARY else f"production_{name}.sqlite3"
        file = posixpath.basename(path) if _FILE_NAME.fullmatch(path) else usual
        given = url or path
        if variable := _read_by(given):
            found[variable] = f"{'sqlite3:' if url else ''}{_STORAGE}{file}"
        elif given.startswith(_OF_ERB):
            continue  # Ruby that reads no variable, or one with a part of the path
        elif not url:
            found[_variable(name)] = f"sqlite3:{_STORAGE}{file}"
    return found


def _read_by(text: str) -> str:
    """The variable that is all of a value; empty if it is another."""
    match = re.fullmatch(rf"{_OF_ERB}(\w+)", text)
    return match[1] if match else ""


def _variable(name: str) -> str:
    """The variable with the address of a database, which Active Record reads."""
    return "DATABASE_URL" if name in _PRIMARY else f"{name.upper()}_DATABASE_URL"


def _entries(folder: AppFolder) -> dict[str, dict[str, str]]:
    """The databases of production by name, which is empty where there is only one."""
    text = _VALUE.sub(_as_scalar, _STATEMENT.sub("", folder.read(_FILE)))
    for document in documents(text) if text.strip() else ():
        production = document.get("production")
        if not isinstance(production, MappingNode):
            continue
        only = {
            key: entry.value.text
            for key, entry in production.entries.items()
            if isinstance(entry.value, ScalarNode)
        }
        if only.keys() & {"adapter", "database", "url"}:
            return {"": only}
        return {
            name: flat(entry.value)
            for name, entry in production.entries.items()
            if isinstance(entry.value, MappingNode)
        }
    return {}


def _is_own(entry: dict[str, str]) -> bool:
    """Whether a database needs an address: SQLite has files, and some have variables of the app for their parts."""
    return not _is_file(entry) and not entry.get("host", "").startswith(_OF_ERB)


def _is_file(entry: dict[str, str]) -> bool:
    return entry.get("adapter", "").startswith("sqlite")


def _as_scalar(match: re.Match[str]) -> str:
    """Ruby in a file of YAML, as a word: the variable that it reads, if it reads one."""
    variable = _VARIABLE.search(match[1])
    return f"{_OF_ERB}{variable[1] if variable else ''}"
