"""Databases of an app on Heroku, Dokku or Fly: its addons, else the clients that it uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import ELASTICSEARCH, MEMCACHED, MONGODB, MYSQL, POSTGRES, RABBITMQ, REDIS
from ftl.errors import UsageError
from ftl.onboarding.databases import needs
from ftl.onboarding.detect import detect
from ftl.onboarding.folder import demanded_variables
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.databases import Database
    from ftl.onboarding.folder import AppFolder
    from ftl.onboarding.takeover.draft import Draft

_ADDONS = {
    "postgres": POSTGRES, "redis": REDIS, "mysql": MYSQL, "jawsdb": MYSQL, "mongo": MONGODB, "memcach": MEMCACHED,
    "rabbitmq": RABBITMQ, "cloudamqp": RABBITMQ, "elasticsearch": ELASTICSEARCH,
}  # fmt: skip
"""Part of an addon's name -> database."""

_URLS = {"postgres": "DATABASE_URL", "mysql": "DATABASE_URL", "redis": "REDIS_URL", "mongodb": "MONGODB_URI",
         "rabbitmq": "CLOUDAMQP_URL"}  # fmt: skip
"""Dependency -> variable in which Heroku's addon gives its address."""


def take_over_addons(draft: Draft, addons: Sequence[object]) -> None:
    """Addons that are databases as dependencies; the others are things to do."""
    for addon in addons:
        plan = str(addon.get("plan", "") if isinstance(addon, dict) else addon)
        known = next((database for part, database in _ADDONS.items() if part in plan), None)
        if known is None:
            todo = "FTL has no such service: keep it, and write its URL in `env`"
            draft.report.add(f"addons: {plan}", Verdict.NEEDS_YOU, todo)
            continue
        named = _URLS.get(known.name)
        _add(draft, known, {named: known.url} if named is not None else {}, f"addons: {plan}", "")


def take_over_clients(draft: Draft, folder: AppFolder) -> None:
    """Databases by the clients among the app's dependencies: a Procfile and fly.toml name none.

    One whose address is in the environment already is elsewhere.
    """
    try:
        app = detect(folder.path).app
    except UsageError:
        return  # the Dockerfile's row says why
    for need in needs(app, folder.variables):
        env = {name: value for name, (value, _) in need.env.items()}
        if any(
            isinstance(own := keys.get("env"), dict) and env.keys() <= own.keys()
            for keys in draft.services.values()
        ):
            continue
        _add(draft, need.database, env, f"dependency {need.database.name}", f"{need.reason}: ")


def report_config_vars(draft: Draft, folder: AppFolder) -> None:
    """Tell of the variables that the platform alone has, and of those that the code demands."""
    env = [set(own) for keys in draft.services.values() if isinstance(own := keys.get("env"), dict)]
    missing = sorted(demanded_variables(folder).keys() - set[str]().union(*env) - {"PORT"})
    read = f"; the code needs {', '.join(missing)}" if missing else ""
    todo = "`heroku config` names them: write `NAME: ${NAME}` in `env`, and the values into .env"
    draft.report.add("config vars", Verdict.NEEDS_YOU, f"{todo}{read}")


def _add(draft: Draft, known: Database, env: dict[str, str], row: str, reason: str) -> None:
    """Add a database, and its address to the environment of each service."""
    keys: dict[str, object] = {"image": f"{known.image}:{known.tag}", "ports": [known.port]}
    if known.volume:
        keys["volumes"] = [known.volume]
    if own := dict(known.env) | {variable: f"${{{variable}:-}}" for variable in known.required}:
        keys["env"] = own
    draft.dependencies[known.name] = keys
    for service in draft.services.values():
        given = service.setdefault("env", {})
        if isinstance(given, dict):
            for name, value in env.items():
                given.setdefault(name, re.sub(r"\$\{(\w+)\}", r"${\1:-}", value))
    what = f"{reason}the dependency {known.name}{_listed(env)}"
    if known.required:
        what += ": take the data over with a dump" if not reason else "; take the data over with a dump"
    draft.report.add(row, Verdict.NEEDS_YOU if known.required else Verdict.CHANGED, what)


def _listed(names: Iterable[str]) -> str:
    *most, last = names or [""]
    named = f"{', '.join(most)} and {last}" if most else last
    return f", and {named} in `env`" if named else ""
