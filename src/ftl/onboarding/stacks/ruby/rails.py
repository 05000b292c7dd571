"""Ruby on Rails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Evidence, FoundHealthCheck, Worker
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.node.assets import node_assets
from ftl.onboarding.stacks.ruby.databases import database_variables
from ftl.onboarding.templates import apt_install, cmd, render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


_BUNDLERS = frozenset({
    "jsbundling-rails", "cssbundling-rails", "vite_rails", "vite_ruby", "shakapacker", "webpacker"
})  # fmt: skip
"""Gems whose assets are built by Node."""

_CLIENTS = frozenset({"pg", "mysql2", "trilogy"})


def rails(folder: AppFolder) -> str | None:
    """Evidence of Ruby on Rails."""
    return (
        "rails in the Gemfile"
        if re.search(r"^[ \t]*gem ['\"]rails['\"]", folder.read("Gemfile"), re.M)
        else None
    )


def describe_rails(folder: AppFolder, evidence: str) -> App:
    """Rails behind puma."""
    gems = frozenset(re.findall(r"^[ \t]*gem ['\"]([\w-]+)['\"]", folder.read("Gemfile"), re.MULTILINE))
    version, reason = _ruby(folder)
    needs = [("libpq-dev", "libpq5")] if "pg" in gems else []
    needs += [("libmariadb-dev", "libmariadb3")] if "mysql2" in gems else []
    needs += [("", "libsqlite3-0")] if "sqlite3" in gems else []
    built = " ".join(
        ["build-essential git libyaml-dev pkg-config", *(package for package, _ in needs if package)]
    )
    is_api = "config.api_only = true" in folder.read("config/application.rb")
    node = node_assets(folder) if folder.has("package.json") and gems & _BUNDLERS and not is_api else None
    # The dummy is of Rails 7.1; older ones take any value
    keys = "SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=unused"
    assets = "" if is_api else f"RUN {keys} bundle exec rails assets:precompile"
    if node is not None:
        assets += " && rm -rf node_modules"
    locked = folder.has("Gemfile.lock") is not None
    text = render(
        "rails.dockerfile",
        {
            "version": version,
            "system_run": apt_install(" ".join(["libjemalloc2", *(run for _, run in needs)])),
            "system_build": apt_install(built),
            "locked": " ".join(
                ["Gemfile", *(["Gemfile.lock"] if locked else []), *_named_by_gemfile(folder)]
            ),
            # Without a lock file bundler refuses to install for a deployment
            "deployment": "BUNDLE_DEPLOYMENT=1 " if locked else "",
            "packages": node.packages if node is not None else "",
            "assets": assets,
            "port": "3000",
            "cmd": cmd(("bundle", "exec", "puma", "-C", "config/puma.rb", "-b", "tcp://0.0.0.0:3000")),
        },
    )
    up = "rails/health#show" in folder.read("config/routes.rb")
    master = folder.read("config/master.key").strip()
    key, where = (
        ("RAILS_MASTER_KEY", "config/credentials.yml.enc")
        if folder.has("config/credentials.yml.enc")
        else ("SECRET_KEY_BASE", "Rails")
    )
    workers = []
    if "sidekiq" in gems:
        workers.append(Worker("worker", ("bundle", "exec", "sidekiq"), "sidekiq in the Gemfile"))
    elif "solid_queue" in gems and folder.has("bin/jobs"):
        workers.append(Worker("worker", ("bin/jobs",), "solid_queue in the Gemfile"))
    return App(
        stack="Rails",
        evidence=evidence,
        port=3000,
        port_reason="CMD of the Dockerfile",
        dockerfile=text,
        top="/rails",
        packages=gems,
        addresses={client: database_variables(folder) for client in gems & _CLIENTS},
        start=("bundle", "exec", "puma"),
        start_reason="puma",
        health=FoundHealthCheck("/up", "rails/health in config/routes.rb") if up else found_health(folder),
        hook="bundle exec rails db:prepare",
        hook_reason="db/" if folder.has_folder("db") else "Rails",
        workers=tuple(workers),
        env={key: (f"${{{key}}}", where)},
        secrets=({key: "@hex64@"} if key == "SECRET_KEY_BASE" else {key: master} if master else {}),
        volumes={"storage:/rails/storage": "uploads, and SQLite files"}
        if folder.has_folder("storage") or "sqlite3" in gems
        else {},
        ignored=("log/*", "tmp/*", "storage/*", "node_modules", "config/master.key", "public/assets"),
        todo=()
        if locked
        else ("run `bundle lock`, and keep Gemfile.lock in git: each build may get other gems",),
        facts=(
            Evidence("Ruby", version, reason, sure="default" not in reason),
            *(node.facts if node is not None else ()),
        ),
    )


def _named_by_gemfile(folder: AppFolder) -> list[str]:
    """The file with the version of Ruby, where the Gemfile reads it."""
    match = re.search(r"^ruby file: ['\"]([\w.-]+)['\"]", folder.read("Gemfile"), re.MULTILINE)
    return [match[1]] if match and folder.has(match[1]) else []


def _ruby(folder: AppFolder) -> tuple[str, str]:
    for file, pattern in (
        (".ruby-version", r"(?:ruby-)?(\d+\.\d+(?:\.\d+)?)"),
        ("Gemfile", r"^ruby ['\"](\d+\.\d+(?:\.\d+)?)"),
    ):
        if match := re.search(pattern, folder.read(file), re.MULTILINE):
            return match[1], file
    return "3.4", "default: no file names one"
