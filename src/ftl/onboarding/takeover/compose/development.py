"""Parts of a Compose file for development: slow on a server, or open to all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.nodes import entries

if TYPE_CHECKING:
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

_COMMANDS = re.compile(
    r"\b(?:npm|pnpm|yarn|bun)(?: run)? (?:dev|develop|watch|start:dev|dev:\S+)(?![\w-])"
    r"|\bmanage\.py runserver\b|\bartisan serve\b|(?:^|\s)--(?:reload|watch|debug|inspect(?:-brk)?)(?=[\s=]|$)"
    r"|\b(?:nodemon|ts-node-dev|tsx watch|watchmedo|watchfiles)\b|\b(?:next|nuxt|astro|quasar|fastapi) dev\b"
    r"|\bng serve\b|\bwebpack(?:-dev-server| serve)\b|(?:^|[\s/])vite(?: dev| serve)?(?=\s+-|\s*$)|\bdotnet watch\b"
    r"|\bflask (?:\S+ )*?run\b|\bspring-boot:run\b|\bquarkus:dev\b|(?:^|[\s/])air(?=\s+-c|\s*$)"
)
"""Servers that watch files, reload, or show visitors tracebacks."""

_STAGES = re.compile(r"dev|develop|development|local|.*[-_](?:dev|development)", re.IGNORECASE)
_ENVIRONMENTS = re.compile(
    r"(?:NODE|RAILS|RACK|APP|FLASK|DJANGO|BUN|GO|ASPNETCORE|MIX)_ENV(?:IRONMENT)?", re.IGNORECASE
)
_FLAGS = re.compile(r"(?:DJANGO_|FLASK_|APP_)?DEBUG", re.IGNORECASE)
_DEVELOPMENT = ("development", "dev", "local")
_TRUE = ("1", "true", "yes", "on")


def report_development(conversion: ComposeConversion) -> None:
    """Report the command, variables and stage of a service that are for development."""
    keys = conversion.keys
    for key in ("command", "entrypoint"):
        given = keys.get(key, "")
        line = conversion.resolve(given if isinstance(given, str) else " ".join(_words(given)))
        if match := _COMMANDS.search(line):
            todo = f"`{match[0].strip()}` is for development: write the command for production"
            todo += f", or no `{key}` for that of the image" if "build" in keys else ""
            conversion.todo(key, todo)
    build = keys.get("build")
    stage = conversion.resolve(str(build.get("target", ""))) if isinstance(build, dict) else ""
    if _STAGES.fullmatch(stage):
        todo = f"the stage {stage} is for development: write that for production, or none for the last one"
        written_at = entries(conversion.node.get("build")).get("target")
        conversion.todo("build.target", todo, written_at)
    for name, value in conversion.mapping("env").items():
        written = conversion.resolve(str(value))
        is_environment = _ENVIRONMENTS.fullmatch(name) and written.lower() in _DEVELOPMENT
        if is_environment or (_FLAGS.fullmatch(name) and written.lower() in _TRUE):
            how = "write `production`" if is_environment else "take it away: it shows the app's inside to all"
            conversion.todo(f"environment: {name}", f"{written} is for development: {how}")


def _words(given: object) -> list[str]:
    return [str(word) for word in given] if isinstance(given, (tuple, list)) else []
