"""Presets of dependencies: the databases and caches behind short forms like `- postgres:16`.

Without its `required` variables the image itself refuses to start; its `optional` ones are passed on if they are set.
Ports, data folders and variables are from the documentation of the images.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset.

    Attributes:
        required: Variables without which the image does not start.
        optional: Variables that are passed on if they are set.
        env: Environment with fixed values.
        nofile: Limit of open files.
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
"""Presets by the name in the short form.

Names, ports and volumes are those of the original FTL, so that its data is found.
"""


def preset_environment(
    preset: Preset, tag: str, variables: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The environment of a preset's container, and its required variables that have no value.

    From postgres 18 on, the image keeps its data elsewhere by default and refuses to start with the old mount;
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
