"""Facts about databases, caches and queues: images, ports, data, variables, addresses.

Ports, data folders and variables are from the documentation of the images. Names, ports and volumes of the presets are
those of the original FTL, so that its data is found.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.common import references
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping


@dataclass(frozen=True, slots=True)
class Database:
    """A database, cache or queue.

    Attributes:
        name: Its name in FTL: `- postgres:16` in `dependencies`.
        title: Its name in messages.
        image: Repository of its official image.
        ports: Ports that a dependency publishes; clients use the first one.
        similar: Last parts of other images' names that speak the same protocol on the same port.
        speaks_http: Whether the first port's protocol is HTTP.
        volume: Volume for the data: `NAME:/path`.
        required: Variables without which the image does not start.
        optional: Variables that are passed on if they are set.
        env: Environment of the preset with fixed values.
        default_env: Environment of every container of the image unless ftl.yaml sets it.
        nofile: Limit of open files.
        initialised_by: Beginning of the variables that are read only when the data is initialised.
        dump_all: Command that dumps all data, where the data belongs to one major version of the image; else empty.
        tag: Tag that `ftl init` writes.
        url: Address for clients in the project's network; `${NAME}` is the password.
        user, password, database: The parts of `url`.
    """

    name: str
    title: str
    image: str
    ports: tuple[int, ...]
    similar: tuple[str, ...] = ()
    speaks_http: bool = False
    volume: str | None = None
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    default_env: Mapping[str, str] = field(default_factory=dict)
    nofile: int | None = None
    initialised_by: str = ""
    dump_all: str = ""
    tag: str = ""
    url: str = ""
    user: str = ""
    password: str = ""
    database: str = ""

    @property
    def has_several(self) -> bool:
        """Whether it has several databases, with a dump each."""
        return self.name in ("postgres", "mariadb", "mysql")

    def named_by(self, env: Mapping[str, str]) -> str:
        """The database that a container's env names, as for database_tools.sh; empty: none."""
        match self.name:
            case "postgres":
                return env.get("POSTGRES_DB") or env.get("POSTGRES_USER") or "postgres"
            case "mariadb" | "mysql":
                return env.get("MARIADB_DATABASE") or env.get("MYSQL_DATABASE") or ""
        return ""

    @property
    def port(self) -> int:
        """The port that clients use."""
        return self.ports[0]


POSTGRES = Database(
    "postgres",
    "PostgreSQL",
    "postgres",
    (5432,),
    similar=("postgresql", "postgis", "timescaledb", "timescaledb-ha", "pgvector"),
    volume="postgres_data:/var/lib/postgresql/data",
    required=("POSTGRES_PASSWORD",),
    optional=("POSTGRES_USER", "POSTGRES_DB"),
    initialised_by="POSTGRES_",
    dump_all="pg_dumpall",
    tag="17",
    url="postgresql://postgres:${POSTGRES_PASSWORD}@postgres:5432/postgres",
    user="postgres",
    password="${POSTGRES_PASSWORD}",  # noqa: S106 -- a variable of ftl.yaml
    database="postgres",
)
MYSQL = Database(
    "mysql",
    "MySQL",
    "mysql",
    (3306,),
    similar=("mysql-server", "percona"),
    volume="mysql_data:/var/lib/mysql",
    required=("MYSQL_ROOT_PASSWORD",),
    optional=("MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD"),
    initialised_by="MYSQL_",
    dump_all="mysqldump --all-databases",
    tag="8",
    url="mysql://root:${MYSQL_ROOT_PASSWORD}@mysql:3306/app",
    user="root",
    password="${MYSQL_ROOT_PASSWORD}",  # noqa: S106 -- likewise
    database="app",
)
MARIADB = Database(
    "mariadb",
    "MariaDB",
    "mariadb",
    (3306,),
    volume="mariadb_data:/var/lib/mysql",
    required=("MARIADB_ROOT_PASSWORD",),
    initialised_by="MARIADB_",
    dump_all="mariadb-dump --all-databases",
    tag="11",
)
MONGODB = Database(
    "mongodb",
    "MongoDB",
    "mongo",
    (27017,),
    similar=("mongodb",),
    volume="mongo_data:/data/db",
    optional=("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_INITDB_DATABASE"),
    initialised_by="MONGO_INITDB_",
    dump_all="mongodump",
    tag="7",
    url="mongodb://mongodb:27017/app",
    database="app",
)
REDIS = Database(
    "redis",
    "Redis",
    "redis",
    (6379,),
    similar=("redis-stack", "redis-stack-server", "valkey", "keydb", "dragonfly"),
    volume="redis_data:/data",
    tag="7",
    url="redis://redis:6379/0",
)
MEMCACHED = Database("memcached", "Memcached", "memcached", (11211,), tag="1", url="memcached:11211")
RABBITMQ = Database(
    "rabbitmq",
    "RabbitMQ",
    "rabbitmq",
    (5672, 15672),
    optional=("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS", "RABBITMQ_DEFAULT_VHOST"),
    # The data is in a folder of the node's name, which is by default the host name: another one in each container
    # (measured with 4.0.5: the next container on the volume had none of the vhosts; with this name it had them).
    default_env={"RABBITMQ_NODENAME": "rabbit@localhost"},
    nofile=65535,
    initialised_by="RABBITMQ_DEFAULT_",
    tag="4",
    url="amqp://guest:guest@rabbitmq:5672/",
    user="guest",
    password="guest",  # noqa: S106 -- the default of the image
)
ELASTICSEARCH = Database(
    "elasticsearch",
    "Elasticsearch",
    "elasticsearch",
    (9200, 9300),
    similar=("opensearch",),
    speaks_http=True,
    volume="es_data:/usr/share/elasticsearch/data",
    optional=("ELASTIC_PASSWORD",),
    env={"discovery.type": "single-node"},
    nofile=65535,
    initialised_by="ELASTIC_PASSWORD",
    tag="8.17.0",
    url="http://elasticsearch:9200",
)

DATABASES = (POSTGRES, MYSQL, MARIADB, MONGODB, REDIS, MEMCACHED, RABBITMQ, ELASTICSEARCH)

PRESETS: Mapping[str, Database] = {
    "mysql": MYSQL,
    "postgres": POSTGRES,
    "postgresql": POSTGRES,
    "mongodb": MONGODB,
    "redis": REDIS,
    "memcached": MEMCACHED,
    "rabbitmq": RABBITMQ,
    "elasticsearch": ELASTICSEARCH,
}
"""Databases behind short forms like `- postgres:16`, by the name in the short form."""

_OTHERS = {
    "minio": 9000, "clickhouse": 8123, "clickhouse-server": 8123, "influxdb": 8086, "couchdb": 5984,
    "meilisearch": 7700, "typesense": 8108, "qdrant": 6333, "solr": 8983, "surrealdb": 8000,
}  # fmt: skip
_OTHERS_WITHOUT_HTTP = {
    "nats": 4222, "kafka": 9092, "cp-kafka": 9092, "cp-server": 9092, "redpanda": 9092,
    "zookeeper": 2181, "cp-zookeeper": 2181,
    "cassandra": 9042, "scylla": 9042, "neo4j": 7687, "etcd": 2379, "mssql": 1433, "cockroach": 26257,
    "eclipse-mosquitto": 1883, "mosquitto": 1883, "beanstalkd": 11300,
}  # fmt: skip

IMAGE_PORTS: Mapping[str, int] = {
    **{name: database.port for database in DATABASES for name in (database.image, *database.similar)},
    **_OTHERS,
    **_OTHERS_WITHOUT_HTTP,
}
"""Last part of an image's name -> port of a database, whose data must survive a release."""

NOT_HTTP_PORTS = frozenset(
    {database.port for database in DATABASES if not database.speaks_http} | {*_OTHERS_WITHOUT_HTTP.values()}
)
"""Ports of databases whose protocol is not HTTP."""

INITIALISED_BY = tuple(database.initialised_by for database in DATABASES if database.initialised_by)
"""Beginnings of variables that an image reads only when it initialises its data."""


def preset_environment(preset: Database, tag: str, variables: Container[str]) -> dict[str, str]:
    """Environment of a preset's container; the values of variables are `${...}` in it.

    From postgres 18 on, the image keeps its data elsewhere by default and refuses to start with the old mount;
    PGDATA names the old place (docker-library/postgres, pull request 1259).
    """
    env = dict(preset.env)
    env |= {name: f"${{{name}:?{preset.name} needs a password}}" for name in preset.required}
    env |= {name: f"${{{name}}}" for name in preset.optional if name in variables}
    major = tag.partition("-")[0].partition(".")[0]
    if preset is POSTGRES and not (major.isdecimal() and int(major) < 18):
        env["PGDATA"] = _POSTGRES_BEFORE_18
    return env


_POSTGRES = "/var/lib/postgresql"
_POSTGRES_BEFORE_18 = "/var/lib/postgresql/data"


def official(image: str) -> Database | None:
    """The database of an official image; None for all others."""
    name = references.split(image)[0].removeprefix(f"{references.HUB}/").rpartition("library/")[2]
    return next((database for database in DATABASES if database.image == name), None)


def major_version(image: str) -> tuple[Database, int] | None:
    """Database and major version of an official image whose data belongs to that version.

    None for other images, and for a tag that begins with no number.
    """
    database, number = official(image), re.match(r"\d+", references.split(image)[1])
    if database is None or not database.dump_all or number is None:
        return None
    return database, int(number[0])


def unused_mount(image: str, env: Container[str], targets: Collection[str]) -> tuple[str, str] | None:
    """Mount at which an image of this version keeps no data, and the right one.

    The postgres images moved theirs in version 18 (docker-library/postgres, pull request 1259); PGDATA overrides it.

    Args:
        image: Reference of the image.
        env: Names of the container's variables.
        targets: Paths that volumes are mounted at, without a final slash.
    """
    version = major_version(image)
    if version is None or version[0] is not POSTGRES or "PGDATA" in env:
        return None
    wrong, right = (_POSTGRES_BEFORE_18, _POSTGRES) if version[1] >= 18 else (_POSTGRES, _POSTGRES_BEFORE_18)
    return (wrong, right) if wrong in targets and right not in targets else None
