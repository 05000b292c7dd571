"""Ruby without Rails: Sinatra, Roda, Hanami and others on Rack, or what a Procfile runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import NO_MIGRATION, App, Evidence
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.ruby.gemfile import UNLOCKED, dockerfile_values, gems, is_locked, ruby_version
from ftl.onboarding.templates import cmd, render

if TYPE_CHECKING:
    from ftl.onboarding.app import Command
    from ftl.onboarding.folder import AppFolder

PORT = 3000
_ANY = "0.0.0.0"  # noqa: S104 -- in a container
_OF_RUBY = re.compile(
    r"^[\w-]+:.*\b(?:bundle exec|ruby|rake|rackup|puma|unicorn|thin|falcon|sidekiq)\b", re.MULTILINE
)
_CLASSIC = re.compile(r"^require ['\"]sinatra['\"]", re.MULTILINE)


def ruby(folder: AppFolder) -> str | None:
    """Evidence of a Ruby app: Rack's file, a Procfile with Ruby's commands, or Sinatra's."""
    if folder.has("Gemfile") is None:
        return None
    if folder.has("config.ru"):
        return "config.ru"
    if _OF_RUBY.search(folder.read("Procfile")):
        return "the Gemfile and the Procfile"
    return _classic(folder) or None


def describe_ruby(folder: AppFolder, evidence: str) -> App:
    """An app behind the server among its gems; its Procfile may say more."""
    used = gems(folder)
    start, reason = _start(folder, used)
    version, why = ruby_version(folder)
    text = render(
        "ruby.dockerfile",
        {**dockerfile_values(folder), "port": str(PORT), "cmd": cmd(start) if start else ""},
    )
    migrates = "sinatra-activerecord" in used and folder.has_folder("db/migrate")
    hook, hook_reason = ("bundle exec rake db:migrate", "db/migrate") if migrates else NO_MIGRATION
    todo = [] if is_locked(folder) else [UNLOCKED]
    if "sqlite3" in used:
        how = "`RUN mkdir /data && chown app /data` above `USER app` of the Dockerfile, and `volumes: [data:/data]`"
        todo.append(f"SQLite's file is gone with each release: let it be below /data, with {how}")
    return App(
        stack="Ruby",
        evidence=evidence,
        port=PORT,
        port_reason="CMD of the Dockerfile",
        dockerfile=text,
        packages=used,
        start=start,
        start_reason=reason,
        health=found_health(folder),
        hook=hook,
        hook_reason=hook_reason,
        ignored=("log/*", "tmp/*", "vendor/bundle", ".bundle", "*.sqlite3*"),
        todo=tuple(todo),
        facts=(Evidence("Ruby", version, why, sure="default" not in why),),
    )


def _start(folder: AppFolder, used: frozenset[str]) -> tuple[Command, str]:
    """The command of the server, with the reason; empty if nothing says which."""
    if file := _classic(folder):
        return ("bundle", "exec", "ruby", file, "-e", "production", "-o", _ANY, "-p", str(PORT)), file
    if folder.has("config.ru") is None:
        return (), ""
    address = f"{_ANY}:{PORT}"
    settings = ("-C", file) if (file := folder.has("config/puma.rb", "puma.rb") or "") else ()
    servers: dict[str, Command] = {
        "puma": ("puma", *settings, "-b", f"tcp://{address}"),
        "unicorn": ("unicorn", "-l", address),
        "falcon": ("falcon", "serve", "--bind", f"http://{address}"),
        "thin": ("thin", "start", "-a", _ANY, "-p", str(PORT)),
        "rackup": ("rackup", "-o", _ANY, "-p", str(PORT)),
    }
    server = next((name for name in servers if name in used), None)
    if server is None:
        return (
            "bundle",
            "exec",
            *servers["rackup"],
        ), "no server is in the Gemfile, so check CMD of the Dockerfile"
    return ("bundle", "exec", *servers[server]), f"{server} in the Gemfile, and config.ru"


def _classic(folder: AppFolder) -> str:
    """The file of an app of Sinatra that starts itself; empty if there is none."""
    if folder.has("config.ru") or "sinatra" not in gems(folder):
        return ""
    names = (name for name, text in folder.sources.items() if "/" not in name and _CLASSIC.search(text))
    return next(names, "")
