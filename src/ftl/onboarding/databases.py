"""Databases that an app's own dependencies ask for, and the environment that leads to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import ELASTICSEARCH, MEMCACHED, MONGODB, MYSQL, POSTGRES, RABBITMQ, REDIS
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.databases import Database
    from ftl.onboarding.app import App
    from ftl.onboarding.variables.variable import CodeVariable


@dataclass(frozen=True, slots=True)
class DatabaseTraces:
    """Traces of a database in an app: packages and environment variables.

    Attributes:
        packages: Packages of any language that are clients of it, in lower case.
        variable: The variable of the URL where the code reads none: one that clients read by themselves, if any does.
        variables: Variables of the URL that code reads, as a regular expression each.
        prefixes: Prefixes of variables that name a part of the address: PREFIX_HOST and so on.
    """

    database: Database
    packages: frozenset[str]
    variable: str
    variables: tuple[str, ...]
    prefixes: str

    @property
    def parts(self) -> dict[str, str]:
        """Endings of variables, as a regular expression each -> the part of the address."""
        database = self.database
        return {
            "HOST|HOSTNAME|SERVER|ADDR": database.name,
            "PORT": str(database.port),
            "USER|USERNAME": database.user,
            "PASSWORD|PASS|PASSWD": database.password,
            "DB|NAME|DATABASE|DB_NAME|DBNAME|DATABASE_NAME": database.database,
        }


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLIENTS = (
    DatabaseTraces(
        POSTGRES,
        _words(
            "psycopg psycopg2 psycopg2-binary asyncpg pg8000 pg postgres pgx laravel:pgsql prisma:postgresql "
            "github.com/lib/pq github.com/jackc/pgx gorm.io/driver/postgres postgresql pg-promise"
        ),
        "DATABASE_URL",
        (
            "DATABASE_URL",
            "DATABASE_URI",
            "POSTGRES_URL",
            "POSTGRES_DSN",
            "DB_URL",
            "DB_DSN",
            "SQLALCHEMY_DATABASE_UR[LI]",
        ),
        "POSTGRES(?:QL)?|PG|DB|DATABASE|SQL",
    ),
    DatabaseTraces(
        MYSQL,
        _words(
            "prisma:mysql mysqlclient pymysql aiomysql mysql-connector-python mysql mysql2 laravel:mysql "
            "laravel:mariadb github.com/go-sql-driver/mysql gorm.io/driver/mysql mysql-connector-j "
            "trilogy"
        ),
        "DATABASE_URL",
        ("DATABASE_URL", "MYSQL_URL", "DB_URL", "DATABASE_URI"),
        "MYSQL|DB|DATABASE|SQL",
    ),
    DatabaseTraces(
        MONGODB,
        _words(
            "prisma:mongodb pymongo motor mongoengine beanie mongodb mongoose mongoid go.mongodb.org/mongo-driver"
        ),
        "MONGODB_URI",
        ("MONGO(?:DB)?_UR[LI]", "DATABASE_URL", "DB_URL"),
        "MONGO(?:DB)?",
    ),
    DatabaseTraces(
        REDIS,
        _words(
            "redis django-redis aioredis celery[redis] rq django-rq channels-redis redis-om ioredis "
            "bullmq bull sidekiq predis/predis laravel:redis github.com/redis/go-redis "
            "github.com/go-redis/redis spring-boot-starter-data-redis connect-redis arq huey[redis]"
        ),
        "REDIS_URL",
        ("REDIS_UR[LI]", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL", "CACHE_URL"),
        "REDIS",
    ),
    DatabaseTraces(
        MEMCACHED,
        _words("pymemcache pylibmc python-memcached memcached memjs dalli"),
        "MEMCACHE_SERVERS",
        ("MEMCACHED?_(?:URL|SERVERS)",),
        "MEMCACHED?",
    ),
    DatabaseTraces(
        RABBITMQ,
        _words(
            "pika aio-pika kombu amqplib amqp-connection-manager bunny github.com/rabbitmq/amqp091-go "
            "spring-boot-starter-amqp"
        ),
        "RABBITMQ_URL",
        ("RABBITMQ_UR[LI]", "AMQP_URL", "CLOUDAMQP_URL", "CELERY_BROKER_URL"),
        "RABBITMQ|AMQP",
    ),
    DatabaseTraces(
        ELASTICSEARCH,
        _words("elasticsearch elasticsearch-dsl @elastic/elasticsearch elasticsearch-rails"),
        "ELASTICSEARCH_URL",
        ("ELASTIC(?:SEARCH)?_(?:URL|HOSTS?)",),
        "ELASTIC(?:SEARCH)?",
    ),
)


@dataclass(frozen=True, slots=True)
class NeededDatabase:
    """A database that the app needs, why, and the environment for the app."""

    database: Database
    reason: str
    env: Mapping[str, tuple[str, str]]

    @property
    def item(self) -> str | Mapping[str, object]:
        """The item of `dependencies`; the short form of MySQL would make no database."""
        if self.database is not MYSQL:
            return f"{self.database.name}:{self.database.tag}"
        return {
            "name": MYSQL.name,
            "image": f"{MYSQL.image}:{MYSQL.tag}",
            "env": {**self.passwords, "MYSQL_DATABASE": MYSQL.database},
            "volumes": [MYSQL.volume],
            "ports": [MYSQL.port],
        }

    @property
    def passwords(self) -> dict[str, str]:
        """Variables that .env must have, as the dependency's environment."""
        return {name: f"${{{name}}}" for name in self.database.required}


def needs(app: App, variables: Mapping[str, CodeVariable]) -> Sequence[NeededDatabase]:
    """The databases of an app, whose code reads the variables."""
    found: list[NeededDatabase] = []
    used = {name.lower(): name for name in app.packages}
    relational = False
    for client in CLIENTS:
        known = sorted(
            set(used) & client.packages | {name for name in used if name.partition("[")[0] in client.packages}
        )
        is_relational = client.database in (POSTGRES, MYSQL)
        if known and not (relational and is_relational):
            relational |= is_relational
            name, is_prisma = known[0].removeprefix("laravel:"), known[0].startswith("prisma:")
            reason = "the provider in schema.prisma" if is_prisma else f"{name} among the dependencies"
            found.append(NeededDatabase(client.database, reason, _env(app, client, variables)))
    return found


def _env(
    app: App, client: DatabaseTraces, variables: Mapping[str, CodeVariable]
) -> dict[str, tuple[str, str]]:
    database = client.database
    url = _url(app, database)
    if app.stack == "Spring Boot" and database.required:
        scheme, address = url.partition(":")[0], url.partition("@")[2]
        return {
            "SPRING_DATASOURCE_URL": (f"jdbc:{scheme}://{address}", ""),
            "SPRING_DATASOURCE_USERNAME": (database.user, ""),
            "SPRING_DATASOURCE_PASSWORD": (database.password, ""),
        }
    if app.stack == "Laravel":
        _, parts = _read(client, variables, url, "")
        connection = {"DB_CONNECTION": ("mysql" if database is MYSQL else "pgsql", "")}
        return parts | (connection if database.required else {})
    server = url.rpartition("/")[0]
    named = {
        name: (f"{server}/{other}" if other else url, "") for name, other in _addresses(app, client).items()
    }
    for start in ("", _FIRST_WORDS):
        urls, parts = _read(client, variables, url, start)
        if named | urls or any(value == database.name for value, _ in parts.values()):
            return urls | named or parts
    comment = "" if app.stack == "Rails" else "no line of the code reads it: connect the app to it"
    return {client.variable: (url, comment)}


_FIRST_WORDS = r"(?!(?:[A-Z0-9]+_)*(?:TEST|SHADOW|REPLICA|READ|OLD|LEGACY)_)(?:[A-Z0-9]+_)+"
"""Words of the app before the usual name of a variable, but not those of another database."""


def _addresses(app: App, client: DatabaseTraces) -> dict[str, str]:
    """Variables that settings files of the app name as the address, with the name of the database."""
    found: dict[str, str] = {}
    for package, names in app.addresses.items():
        found |= names if package in client.packages else {}
    return found


def _read(
    client: DatabaseTraces, variables: Mapping[str, CodeVariable], url: str, start: str
) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Variables with the address, and those with a part of it, by any of their names."""
    urls: dict[str, tuple[str, str]] = {}
    parts: dict[str, tuple[str, str]] = {}
    for key, variable in variables.items():
        for name in variable.names:
            if any(re.fullmatch(f"{start}(?:{pattern})", name) for pattern in client.variables):
                urls[key] = (url, "")
            for suffix, value in client.parts.items():
                if value and re.fullmatch(rf"{start}(?:{client.prefixes})_{{0,2}}(?:{suffix})", name):
                    parts.setdefault(key, (value, ""))
    return urls, parts


_SQLALCHEMY = frozenset({"sqlalchemy", "flask-sqlalchemy", "sqlmodel"})


def _url(app: App, database: Database) -> str:
    """The URL; SQLAlchemy and Active Record want the driver in it."""
    if app.stack == "Rails" and "trilogy" in app.packages and "mysql2" not in app.packages:
        return database.url.replace("mysql:", "trilogy:", 1)
    drivers = {"postgres": ("asyncpg", "psycopg"), "mysql": ("aiomysql", "pymysql")}.get(database.name, ())
    driver = next((name for name in drivers if name in app.packages), None)
    if driver is None or not _SQLALCHEMY & {name.partition("[")[0] for name in app.packages}:
        return database.url
    return database.url.replace(":", f"+{driver}:", 1)
