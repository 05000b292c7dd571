"""Compose services that end by themselves: Compose starts them once, FTL would for ever."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

ENDS = "if it ends by itself, write its command as `hooks` or `jobs`: a deploy waits until it keeps running"

_PROGRAMS = re.compile(
    r"(?:\S*/)?(?:cp|mv|rm|ln|tar|mkdir|touch|chown|chmod|echo|printf|rsync|true|mc|flyway|liquibase|dbmate|goose"
    r"|exit(?= 0\b|$)|alembic(?= upgrade\b)|kafka-topics(?:\.sh)?)(?=\s|$)"
    r"|(?:\S*/)?(?:ba|da|a|z)?sh$"
    r"|python3? \S*manage\.py (?:migrate|collectstatic|createsuperuser|loaddata)\b"
    r"|(?:bundle exec )?(?:\S*/)?(?:rails|rake) db:\w+|php artisan (?:migrate|db:seed)\b"
    r"|(?:npx |pnpm |yarn |bunx )?(?:prisma (?:migrate|db)|sequelize db:migrate|knex migrate|drizzle-kit)\b"
)
_NAMES = frozenset({"migrate", "migration", "migrations", "migrator", "seed", "seeder"})
"""Last words of names of services that do only this."""

_SHELL = re.compile(r"(?:\S*/)?(?:ba|da|a)?sh (?:-\w+ )*-\w*c ")


def report_one_time(conversion: ComposeConversion) -> None:
    """Report a service without a restart policy whose last command is one that ends."""
    keys = conversion.keys
    if conversion.is_dependency or "restart" in conversion.node.entries or keys.get("replicas", 1) != 1:
        return
    key = "command" if "command" in keys else "entrypoint"
    words = [word for name in ("entrypoint", "command") for word in _words(keys.get(name))]
    line = _SHELL.sub("", conversion.resolve(" ".join(words)).strip()).strip(" \t\n'\"")
    last = next((part for part in reversed(re.split(r"&&|\|\||;|\n", line)) if part.strip(" '\"")), "")
    is_named = re.split(r"[^a-z]+", conversion.source.lower())[-1] in _NAMES and "port" not in keys
    if is_named or _PROGRAMS.match(last.strip(" '\"")):
        keys["restart"] = "no"
        conversion.add(key, Verdict.NEEDS_YOU, ENDS)


def _words(given: object) -> list[str]:
    return [str(word) for word in given] if isinstance(given, (tuple, list)) else [str(given or "")]
