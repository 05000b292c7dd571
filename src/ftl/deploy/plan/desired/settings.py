"""Container settings of services and dependencies -> fields of the Engine API. Pure.

A table, so that another setting is a line here and a key in `config.models.container`. A setting that is not given adds
nothing: the hash of a container stays what it was before FTL knew the setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.values.container import parse_device, parse_tmpfs
from ftl.engine.specs import ContainerFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl.config.models.container import ContainerSettings

Field = tuple[str, "Callable[[ContainerSettings], object]"]

_FIELDS: tuple[Field, ...] = (
    ("User", lambda it: it.user),
    ("WorkingDir", lambda it: it.working_dir),
    ("StopSignal", lambda it: it.stop_signal),
    ("HostConfig.Memory", lambda it: it.resources.memory),
    ("HostConfig.NanoCpus", lambda it: round(it.resources.cpus * 1e9) if it.resources.cpus else None),
    ("HostConfig.PidsLimit", lambda it: it.resources.pids),
    ("HostConfig.ReadonlyRootfs", lambda it: it.read_only),
    ("HostConfig.Tmpfs", lambda it: dict(map(parse_tmpfs, it.tmpfs))),
    ("HostConfig.ShmSize", lambda it: it.shm_size),
    ("HostConfig.Init", lambda it: it.init),
    ("HostConfig.ExtraHosts", lambda it: list(it.extra_hosts)),
    ("HostConfig.CapAdd", lambda it: list(it.cap_add)),
    ("HostConfig.CapDrop", lambda it: list(it.cap_drop)),
    ("HostConfig.Sysctls", lambda it: dict(it.sysctls)),
    ("HostConfig.Devices", lambda it: [_device(text) for text in it.devices]),
    ("HostConfig.LogConfig", lambda it: _logging(it)),
)


def engine_settings(section: ContainerSettings) -> Mapping[str, object]:
    """Fields of `POST /containers/create` for the settings that are given."""
    values = ((name, value(section)) for name, value in _FIELDS)
    return {name: value for name, value in values if value}


def container_files(section: ContainerSettings) -> tuple[ContainerFile, ...]:
    """Files that are written into the container."""
    return tuple(
        ContainerFile(file.path, file.content, int(file.mode, 8), *map(int, file.owner.split(":")))
        for file in section.files
    )


def _device(text: str) -> dict[str, str]:
    device = parse_device(text)
    return {
        "PathOnHost": device.source,
        "PathInContainer": device.target,
        "CgroupPermissions": device.permissions,
    }


def _logging(section: ContainerSettings) -> dict[str, object] | None:
    if section.logging is None:
        return None
    return {"Type": section.logging.driver, "Config": dict(section.logging.options)}
