"""Ruby on Rails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Evidence, FoundHealthCheck, Worker
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.node.assets import node_assets
from ftl.onboarding.stacks.ruby.databases import database_variables, sqlite_variables
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
