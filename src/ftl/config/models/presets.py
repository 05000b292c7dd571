"""What `- postgres:16` stands for: the databases and caches that FTL knows by name.

A variable that is `required` is one without which the image itself refuses to start; the `optional` ones are
handed on if they are set. Ports, data folders and variables are those of the images' own documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Preset:
    """One known dependency.

    Attributes:
        env: Set as it stands.
    """

    name: str
    image: str
    ports: tuple[int, ...]
    volume: str | None = None
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    nofile: int | None = None


_POSTGRES = Preset(
    "postgres",
    "postgres",
    (5432,),
    "postgres_data:/var/lib/postgresql/data",
    required=("POSTGRES_PASSWORD",),
    optional=("POSTGRES_USER", "POSTGRES_DB"),
)

PRESETS: Mapping[str, Preset] = {
    "mysql": Preset(
        "mysql",
        "mysql",
        (3306,),
        "mysql_data:/var/lib/mysql",
        required=("MYSQL_ROOT_PASSWORD",),
        optional=("MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD"),
    ),
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "mongodb": Preset(
        "mongodb",
        "mongo",
        (27017,),
        "mongo_data:/data/db",
        optional=("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_INITDB_DATABASE"),
    ),
    "redis": Preset("redis", "redis", (6379,), "redis_data:/data"),
    "memcached": Preset("memcached", "memcached", (11211,)),
    "rabbitmq": Preset(
        "rabbitmq",
        "rabbitmq",
        (5672, 15672),
        optional=("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS", "RABBITMQ_DEFAULT_VHOST"),
        nofile=65535,
    ),
    "elasticsearch": Preset(
        "elasticsearch",
        "elasticsearch",
        (9200, 9300),
        "es_data:/usr/share/elasticsearch/data",
        optional=("ELASTIC_PASSWORD",),
        env={"discovery.type": "single-node"},
        nofile=65535,
    ),
}
"""By the word in the short form; the original FTL's names, ports and volumes, so that its data is found again."""


def environment(preset: Preset, tag: str, variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment of a dependency, and the variables without which it cannot start.

    From postgres 18 on the image keeps its data elsewhere by default and refuses to start over the old mount;
    PGDATA names the old place (docker-library/postgres, pull request 1259).
    """
    env = dict(preset.env)
    missing = [name for name in preset.required if not variables.get(name)]
    for name in preset.required + preset.optional:
        if name in variables:
            env[name] = variables[name]
    major = tag.partition("-")[0].partition(".")[0]
    if preset is _POSTGRES and not (major.isdecimal() and int(major) < 18):
        env["PGDATA"] = "/var/lib/postgresql/data"
    return env, missing
