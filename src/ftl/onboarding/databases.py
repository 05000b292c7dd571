"""Databases that an app's own dependencies ask for, and the environment that leads to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.onboarding.app import App


@dataclass(frozen=True, slots=True)
class Database:
    """A database or cache.

    Attributes:
        item: The item of `dependencies`: a short form, or the keys of a mapping.
        packages: Packages of any language that are clients of it, in lower case.
        url: The address for the app.
        variables: Usual variable of the URL first, then others, as a regular expression each.
        parts: Values of variables that name a part of the address: PREFIX_HOST and so on.
        prefixes: Prefixes of those variables.
        secrets: Variables that .env must have.
    """

    name: str
    item: str | Mapping[str, object]
    packages: frozenset[str]
    url: str
    variables: tuple[str, ...]
    prefixes: str
    parts: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _parts(host: str, port: int, user: str = "", password: str = "", name: str = "") -> dict[str, str]:
    return {
        "HOST|HOSTNAME|SERVER|ADDR": host,
        "PORT": str(port),
        "USER|USERNAME": user,
        "PASSWORD|PASS|PASSWD": password,
        "DB|NAME|DATABASE|DB_NAME|DBNAME|DATABASE_NAME": name,
    }


DATABASES = (
    Database(
        "postgres",
        "postgres:17",
        _words(
            "psycopg psycopg2 psycopg2-binary asyncpg pg8000 pg postgres pgx laravel:pgsql "
            "github.com/lib/pq github.com/jackc/pgx gorm.io/driver/postgres postgresql pg-promise"
        ),
        "postgresql://postgres:${POSTGRES_PASSWORD}@postgres:5432/postgres",
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
        _parts("postgres", 5432, "postgres", "${POSTGRES_PASSWORD}", "postgres"),
        {"POSTGRES_PASSWORD": "@hex32@"},
    ),
    Database(
        "mysql",
        {
            "name": "mysql",
            "image": "mysql:8",
            "env": {"MYSQL_ROOT_PASSWORD": "${MYSQL_ROOT_PASSWORD}", "MYSQL_DATABASE": "app"},
            "volumes": ["mysql_data:/var/lib/mysql"],
            "ports": [3306],
        },
        _words(
            "mysqlclient pymysql aiomysql mysql-connector-python mysql mysql2 laravel:mysql "
            "laravel:mariadb github.com/go-sql-driver/mysql gorm.io/driver/mysql mysql-connector-j "
            "trilogy"
        ),
        "mysql://root:${MYSQL_ROOT_PASSWORD}@mysql:3306/app",
        ("DATABASE_URL", "MYSQL_URL", "DB_URL", "DATABASE_URI"),
        "MYSQL|DB|DATABASE|SQL",
        _parts("mysql", 3306, "root", "${MYSQL_ROOT_PASSWORD}", "app"),
        {"MYSQL_ROOT_PASSWORD": "@hex32@"},
    ),
    Database(
        "mongodb",
        "mongodb:7",
        _words("pymongo motor mongoengine beanie mongodb mongoose mongoid go.mongodb.org/mongo-driver"),
        "mongodb://mongodb:27017/app",
        ("MONGO(?:DB)?_UR[LI]", "DATABASE_URL", "DB_URL"),
        "MONGO(?:DB)?",
        _parts("mongodb", 27017, name="app"),
    ),
    Database(
        "redis",
        "redis:7",
        _words(
            "redis django-redis aioredis celery[redis] rq django-rq channels-redis redis-om ioredis "
            "bullmq bull sidekiq predis/predis laravel:redis github.com/redis/go-redis "
            "github.com/go-redis/redis spring-boot-starter-data-redis connect-redis arq huey[redis]"
        ),
        "redis://redis:6379/0",
        ("REDIS_UR[LI]", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL", "CACHE_URL"),
        "REDIS",
        _parts("redis", 6379),
    ),
    Database(
        "memcached",
        "memcached:1",
        _words("pymemcache pylibmc python-memcached memcached memjs dalli"),
        "memcached:11211",
        ("MEMCACHED?_(?:URL|SERVERS)",),
        "MEMCACHED?",
        _parts("memcached", 11211),
    ),
    Database(
        "rabbitmq",
        "rabbitmq:4",
        _words(
            "pika aio-pika kombu amqplib amqp-connection-manager bunny github.com/rabbitmq/amqp091-go "
            "spring-boot-starter-amqp"
        ),
        "amqp://guest:guest@rabbitmq:5672/",
        ("RABBITMQ_UR[LI]", "AMQP_URL", "CLOUDAMQP_URL", "CELERY_BROKER_URL"),
        "RABBITMQ|AMQP",
        _parts("rabbitmq", 5672, "guest", "guest"),
    ),
    Database(
        "elasticsearch",
        "elasticsearch:8.17.0",
        _words("elasticsearch elasticsearch-dsl @elastic/elasticsearch elasticsearch-rails"),
        "http://elasticsearch:9200",
        ("ELASTIC(?:SEARCH)?_(?:URL|HOSTS?)",),
        "ELASTIC(?:SEARCH)?",
        _parts("elasticsearch", 9200),
    ),
)


@dataclass(frozen=True, slots=True)
class Need:
    """A database that the app needs, why, and the environment for the app."""

    database: Database
    reason: str
    env: Mapping[str, tuple[str, str]]


def needs(app: App, variables: Mapping[str, str]) -> Sequence[Need]:
    """The databases of an app.

    Args:
        app: The app, with the names of its packages.
        variables: Environment variables that the code reads, with the file that does.
    """
    return tuple(_needs(app, variables))


def _needs(app: App, variables: Mapping[str, str]) -> Iterator[Need]:
    used = {name.lower(): name for name in app.packages}
    relational = False
    for database in DATABASES:
        known = sorted(
            set(used) & database.packages
            | {name for name in used if name.partition("[")[0] in database.packages}
        )
        is_relational = database.name in ("postgres", "mysql")
        if known and not (relational and is_relational):
            relational |= is_relational
            yield Need(
                database,
                f"{known[0].removeprefix('laravel:')} among the dependencies",
                _env(app, database, variables),
            )


def _env(app: App, database: Database, variables: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    url = _url(app, database)
    if app.stack == "Spring Boot" and database.secrets:
        user, (password,) = ("root" if database.name == "mysql" else "postgres"), database.secrets
        address = url.partition("@")[2]
        scheme = "mysql" if database.name == "mysql" else "postgresql"
        return {
            "SPRING_DATASOURCE_URL": (f"jdbc:{scheme}://{address}", ""),
            "SPRING_DATASOURCE_USERNAME": (user, ""),
            "SPRING_DATASOURCE_PASSWORD": (f"${{{password}}}", ""),
        }
    urls = {
        name: (url, "") for name in variables if any(re.fullmatch(one, name) for one in database.variables)
    }
    parts: dict[str, tuple[str, str]] = {}
    for name in variables:
        for suffix, value in database.parts.items():
            if value and re.fullmatch(rf"(?:{database.prefixes})_?(?:{suffix})", name):
                parts[name] = (value, "")
    if app.stack == "Laravel":
        parts |= (
            {"DB_CONNECTION": ("mysql" if database.name == "mysql" else "pgsql", "")}
            if database.secrets
            else {}
        )
        return parts
    if urls or (parts and any(value == database.name for value, _ in parts.values())):
        return urls or parts
    usual = re.sub(r"\(\?:.*?\)|\[(.).\]", r"\1", database.variables[0])
    comment = "" if app.stack == "Rails" else "no line of the code reads it: connect the app to it"
    return {usual: (url, comment)}


def _url(app: App, database: Database) -> str:
    """The URL; SQLAlchemy wants the driver in it."""
    if database.name == "postgres" and "sqlalchemy" in {name.partition("[")[0] for name in app.packages}:
        driver = next((one for one in ("asyncpg", "psycopg") if one in app.packages), None)
        return database.url.replace("postgresql:", f"postgresql+{driver}:") if driver else database.url
    if database.name == "mysql" and "sqlalchemy" in app.packages:
        client = next((one for one in ("aiomysql", "pymysql") if one in app.packages), None)
        return database.url.replace("mysql:", f"mysql+{client}:", 1) if client else database.url
    return database.url
