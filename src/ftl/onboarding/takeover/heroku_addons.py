"""Addons of Heroku; databases of an app on Heroku, Dokku or Fly by the clients that it uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object
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

_ADDONS: tuple[tuple[str, Database, str], ...] = (
    ("rediscloud", REDIS, "REDISCLOUD_URL"),
    ("redistogo", REDIS, "REDISTOGO_URL"),
    ("openredis", REDIS, "OPENREDIS_URL"),
    ("redis", REDIS, "REDIS_URL"),
    ("stackhero-redis|ah-redis-stackhero", REDIS, "STACKHERO_REDIS_URL_TLS STACKHERO_REDIS_URL_CLEAR"),
    ("jawsdb-maria", MYSQL, "JAWSDB_MARIA_URL"),
    ("jawsdb", MYSQL, "JAWSDB_URL"),
    ("cleardb", MYSQL, "CLEARDB_DATABASE_URL"),
    ("mysql", MYSQL, "DATABASE_URL"),
    ("mariadb", MYSQL, "DATABASE_URL"),
    ("ormongo", MONGODB, "ORMONGO_URL"),
    ("mongolab|mongodb|mongo", MONGODB, "MONGODB_URI"),
    ("mongohq", MONGODB, "MONGOHQ_URL"),
    ("memcachier", MEMCACHED, "MEMCACHIER_SERVERS"),
    ("memcachedcloud", MEMCACHED, "MEMCACHEDCLOUD_SERVERS"),
    ("memcached?", MEMCACHED, "MEMCACHE_SERVERS"),
    ("cloudamqp", RABBITMQ, "CLOUDAMQP_URL"),
    ("rabbitmq", RABBITMQ, "RABBITMQ_URL"),
    ("rabbitmq-bigwig", RABBITMQ, "RABBITMQ_BIGWIG_URL"),
    ("bonsai", ELASTICSEARCH, "BONSAI_URL"),
    ("searchbox", ELASTICSEARCH, "SEARCHBOX_URL"),
    ("foundelasticsearch", ELASTICSEARCH, "FOUNDELASTICSEARCH_URL"),
    ("elasticsearch", ELASTICSEARCH, "ELASTICSEARCH_URL"),
    ("postgres(?:ql)?", POSTGRES, "DATABASE_URL"),
)
"""An addon's name, its database, and the variables that have its address."""

_PARTS_OF_FTL: tuple[tuple[str, Verdict, str], ...] = (
    (
        r"(?:advanced-|process-)?scheduler|cron|cron-?to-?go|temporize",
        Verdict.NEEDS_YOU,
        "write each of its commands as one of the `jobs`, with its `schedule`: `heroku addons:open {}` shows them",
    ),
    (
        r"papertrail|logentries|logdna|mezmo|logtail|timber(?:-logging)?|sumologic|coralogix|solarwinds",
        Verdict.NEEDS_YOU,
        "`ftl logs` has the logs; to send them there, too, write `logging` of the services with a driver that it takes",
    ),
    (r"deploy-?hooks", Verdict.NEEDS_YOU, "write `notify`, with the URL that gets the messages"),
    (
        r"(?:pg|simple)?-?backups?|snapshooter",
        Verdict.NEEDS_YOU,
        "write `backups`, with the dependency and a schedule",
    ),
    (
        r"fixie(?:-socks)?|quotaguard(?:-?static|-?shield)?|proximo|static-?ip",
        Verdict.LEFT_OUT,
        "requests leave from the server's own address: take the proxy out of the code",
    ),
    (
        r"(?:rails-)?autoscale|judoscale|hirefire|adept-scale|autoidle",
        Verdict.LEFT_OUT,
        "`replicas` says how many there are; `ftl scale` changes it",
    ),
    (r"(?:expedited)?-?ssl", Verdict.LEFT_OUT, "FTL's proxy gets certificates by itself"),
)
"""Names of addons that are no databases, and what does their work here; `{}` is the addon."""

_MAKER = "(?:heroku-|dokku-)?"
_OF_ADDON = re.compile(r"^.*?(?=_[A-Z]+$|_URL_[A-Z]+$)")
"""The part of a variable that `as` replaces."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def take_over_addons(draft: Draft, addons: Sequence[object]) -> None:
    """Addons that are databases as dependencies; the others are things to do."""
    for addon in addons:
        given = as_object(addon)
        plan = str(given.get("plan", "") if given else addon)
        name = plan.partition(":")[0]
        known = next((entry for entry in _ADDONS if _is(entry[0], name)), None)
        if known is None:
            draft.report.add(f"addons: {plan}", *_elsewhere(name))
            continue
        _, database, usual = known
        prefix = str(given.get("as") or "")
        variables = [_OF_ADDON.sub(prefix, one) if prefix else one for one in usual.split()]
        if not _VARIABLE.fullmatch(variables[0]):
            todo = f"`as: {prefix}` makes {variables[0]}, which is not a name of a variable: write another in app.json"
            draft.report.todo(f"addons: {plan}", f"{todo}, and take it over again")
            continue
        _add(draft, database, dict.fromkeys(variables, database.url), f"addons: {plan}", "")


def _is(pattern: str, addon: str) -> bool:
    """Whether an addon has one of these names: a part of another one's says nothing about it."""
    return re.fullmatch(f"{_MAKER}(?:{pattern})", addon) is not None


def _elsewhere(addon: str) -> tuple[Verdict, str]:
    """The verdict on an addon that is no database, with the text."""
    for names, verdict, text in _PARTS_OF_FTL:
        if _is(names, addon):
            return verdict, text.format(addon)
    todo = "it goes with the app on Heroku: have an account there, and write its variables in `env`"
    return Verdict.NEEDS_YOU, f"{todo}; `heroku config` names them"


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
    draft.report.todo("config vars", f"{todo}{read}")


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
