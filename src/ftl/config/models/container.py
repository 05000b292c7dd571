"""Settings of containers that services and dependencies share, with the words of Compose."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from ftl.config.models import field_types
from ftl.config.models.field_types import (
    Alternatives,
    ListOf,
    Nested,
    Scalar,
    Section,
    key,
    key_metadata,
    string_map,
)
from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources(Section):
    """`resources:` limits of a container; without them it may use all that the server has."""

    memory: int | None = key(
        field_types.MEMORY,
        "Memory limit: `512m`, `2g`. The kernel kills a program that needs more.",
        None,
        default_text="no limit",
    )
    cpus: float | None = key(field_types.CPUS, "Most CPUs: `2`, `0.5`.", None, default_text="no limit")
    pids: int | None = key(
        field_types.COUNT, "Maximum number of processes and threads.", None, default_text="no limit"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging(Section):
    """`logging:` the log driver of a container. `ftl logs` needs one that can be read."""

    driver: str = key(field_types.TEXT, "`json-file`, `local`, `journald`, ...", "json-file")
    options: dict[str, str] = string_map("Options of the driver: `{max-size: 50m, max-file: 5}`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Section):
    """`files[]:` a text file of the repository, written into the container before it starts.

    Written as a map of paths: `/etc/app.conf: conf/app.conf`. A folder stands for the text files in it, with their
    names: `/docker-entrypoint-initdb.d: db/init`.
    """

    ALTERNATIVES: ClassVar = (Alternatives(("source", "content")),)

    path: str = field(metadata=key_metadata(field_types.CONTAINER_PATH, "Path in the container."))
    source: str | None = key(
        field_types.PATH, "File with the content, or a folder, relative to ftl.yaml.", None
    )
    content: str = key(Scalar("text", str), "Content, in place of `source`.", "", sensitive=True)
    mode: str = key(field_types.MODE, "Permissions. `0755` where the owner of `source` may run it.", "0644")
    owner: str = key(field_types.OWNER, "Numeric user and group of the file: `1000:1000`.", "0:0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings(Section):
    """Keys of a service and of a dependency that are passed on to the engine."""

    resources: Resources = key(Nested(Resources), "Limits of memory, CPUs and processes.", Resources())
    restart: str = key(
        field_types.RESTART,
        "When the engine restarts a container that ended: `no`, `always`, `unless-stopped`, `on-failure:3`. "
        "Only `always` is sure to bring it back after a crash of the engine.",
        "always",
    )
    labels: dict[str, str] = string_map(
        "Labels of the container, for other programs; not those that begin with `ftl.`."
    )
    user: str | None = key(
        field_types.TEXT, "User, or `USER:GROUP`, in place of the image's.", None, default_text="the image's"
    )
    working_dir: str | None = key(
        field_types.CONTAINER_PATH,
        "Working folder in place of the image's.",
        None,
        default_text="the image's",
    )
    files: tuple[File, ...] = key(
        ListOf(Nested(File)),
        "Text files of the repository in the container: `{/etc/app.conf: conf/app.conf}`, also a folder "
        "with at most 100 of them. A changed file is a new configuration.",
        (),
    )
    read_only: bool = key(
        field_types.BOOLEAN,
        "Whether the container's file system is read only, but for volumes and tmpfs.",
        False,
    )
    tmpfs: tuple[str, ...] = key(ListOf(field_types.TMPFS), "Folders in memory: `/run`, `/tmp:size=64m`.", ())
    shm_size: int | None = key(field_types.SIZE, "Size of /dev/shm: `256m`.", None, default_text="64m")
    init: bool = key(
        field_types.BOOLEAN,
        "Whether a small init runs as the first process; it forwards signals and reaps zombies.",
        False,
    )
    stop_signal: str | None = key(
        field_types.SIGNAL,
        "Signal that asks the program to end.",
        None,
        default_text="the image's, else SIGTERM",
    )
    extra_hosts: tuple[str, ...] = key(
        ListOf(field_types.EXTRA_HOST),
        "Names for /etc/hosts: `db.example.com:203.0.113.7`; the address `host-gateway` is the server.",
        (),
    )
    cap_add: tuple[str, ...] = key(ListOf(field_types.CAPABILITY), "Capabilities to add: `NET_ADMIN`.", ())
    cap_drop: tuple[str, ...] = key(ListOf(field_types.CAPABILITY), "Capabilities to drop: `ALL`.", ())
    sysctls: dict[str, str] = string_map("Kernel settings of the container: `{net.core.somaxconn: 1024}`.")
    devices: tuple[str, ...] = key(
        ListOf(field_types.DEVICE), "Devices of the server: `/dev/ttyUSB0`, `/dev/a:/dev/b:r`.", ()
    )
    logging: Logging | None = key(
        Nested(Logging, "driver"),
        "Log driver.",
        None,
        default_text="the engine's; json-file in 3 files of 10 MB",
    )
