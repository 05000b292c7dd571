"""Request bodies: ContainerSpec and others to the API's JSON."""

from __future__ import annotations

import io
import math
import posixpath
import tarfile
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.common.json_fields import JsonObject
    from ftl.engine.specs import ContainerFile, ContainerSpec, Healthcheck, Publish
    from ftl.engine.values import Mount


# Docker's default keeps every line for ever: a verbose container fills the disk.
BOUNDED_LOG: JsonObject = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


_HOST_CONFIG = "HostConfig."


def container(spec: ContainerSpec, *, log_driver: str) -> JsonObject:
    """The body that creates the container in the first of its networks.

    json-file as `log_driver`, the daemon's default, gets bounds; any other driver was configured on purpose and is left
    alone.
    """
    folders = _file_volumes(spec)
    body: JsonObject = {
        "Image": spec.image,
        "Labels": {**spec.labels, **({labels.FILES: "\n".join(folders)} if folders else {})},
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "HostConfig": _host(spec, log_driver),
        **{name: value for name, value in spec.settings.items() if "." not in name},
    }
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.publish:
        body["ExposedPorts"] = {_port(item): {} for item in spec.publish}
    if spec.healthcheck is not None:
        body["Healthcheck"] = health(spec.healthcheck)
    if spec.stop_timeout is not None:
        body["StopTimeout"] = math.ceil(spec.stop_timeout)
    if spec.once in ("pipes", "terminal"):
        body |= dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce"), True)
        body["Tty"] = spec.once == "terminal"
    for name, aliases in first_network(spec):
        body["NetworkingConfig"] = {"EndpointsConfig": {name: {"Aliases": list(aliases)}}}
    return body


def first_network(spec: ContainerSpec) -> Sequence[tuple[str, Sequence[str]]]:
    """The network that the container is created in: one, or none."""
    return list(spec.networks.items())[:1]


def further_networks(spec: ContainerSpec) -> Sequence[tuple[str, Sequence[str]]]:
    """Networks to connect to afterwards.

    Before API 1.44 an engine accepts one network at creation.
    """
    return list(spec.networks.items())[1:]


def endpoint(container_id: str, aliases: Sequence[str], address: str | None) -> JsonObject:
    """The body of `POST /networks/{id}/connect`."""
    config: JsonObject = {"Aliases": list(aliases)}
    if address is not None:
        config["IPAMConfig"] = {"IPv6Address" if ":" in address else "IPv4Address": address}
    return {"Container": container_id, "EndpointConfig": config}


def network(
    name: str, labels: Mapping[str, str], subnet: str | None = None, bridge: str | None = None
) -> JsonObject:
    """The body of `POST /networks/create`; `bridge` is the interface's name on the server."""
    body: JsonObject = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, "Labels": dict(labels)}
    if bridge is not None:
        body["Options"] = {"com.docker.network.bridge.name": bridge}
    if subnet is not None:
        body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": subnet}]}
    return body


def labelled(labels: Mapping[str, str] | None) -> dict[str, list[str]] | None:
    """The filter of a list call for objects with all of these labels."""
    return {"label": [f"{name}={value}" for name, value in labels.items()]} if labels else None


def _host(spec: ContainerSpec, log_driver: str) -> JsonObject:
    paths = [mount for mount in spec.mounts if _is_path(mount)]
    host: JsonObject = {
        "RestartPolicy": restart_policy(spec.restart),
        "Mounts": [
            *(_volume(mount) for mount in spec.mounts if not _is_path(mount)),
            *({"Type": "volume", "Target": folder} for folder in _file_volumes(spec)),
            *({**_volume(mount), "Type": "bind"} for mount in paths if spec.needs_paths),
        ],
        # A path given as a bind is created where it is missing, as with `docker run -v` and in Compose;
        # as a mount it is refused.
        "Binds": [_bind(mount) for mount in paths if not spec.needs_paths],
        "PortBindings": _bindings(spec.publish),
        "Ulimits": [{"Name": item.name, "Soft": item.soft, "Hard": item.hard} for item in spec.ulimits],
    }
    for name, _aliases in first_network(spec):
        host["NetworkMode"] = name
    if spec.dns_options:
        host["DnsOptions"] = list(spec.dns_options)
    if spec.sysctls:
        host["Sysctls"] = dict(spec.sysctls)
    if log_driver == "json-file":
        host["LogConfig"] = BOUNDED_LOG
    host |= {
        name.removeprefix(_HOST_CONFIG): value
        for name, value in spec.settings.items()
        if name.startswith(_HOST_CONFIG)
    }
    if spec.once:
        # As process 1, the command would ignore Ctrl-C unless it handles it: an init process is that instead.
        host |= {"AutoRemove": True, "Init": True}
    if spec.once in ("pipes", "terminal"):
        host["LogConfig"] = {"Type": "none"}
    return host


def restart_policy(policy: str) -> JsonObject:
    """Restart policy as the API has it: `on-failure:3` is a name and a number."""
    name, _, count = policy.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count)} if count else {"Name": name}


def file_folders(spec: ContainerSpec) -> dict[str, list[ContainerFile]]:
    """The files of a container by the folder that they are unpacked in: mostly `/`.

    A tmpfs is mounted over what was written before the start, and the engine writes nothing into a container that is
    read only. There the folder of a file gets a volume of its own, which goes with the container: the engine mounts it
    within the tmpfs, and writes to it while nothing runs (tried on 20.10).
    """
    tmpfs = [f"{path.rstrip('/')}/" for path in as_object(spec.settings.get("HostConfig.Tmpfs"))]
    folders: dict[str, list[ContainerFile]] = {}
    for file in spec.files:
        path = posixpath.normpath(file.path)
        is_hidden = spec.settings.get("HostConfig.ReadonlyRootfs") or path.startswith(tuple(tmpfs))
        folders.setdefault(posixpath.dirname(path) if is_hidden else "/", []).append(file)
    return folders


def _file_volumes(spec: ContainerSpec) -> list[str]:
    """Folders of files that get a volume; where something is mounted already, as data is, they are written to that."""
    mounted = {posixpath.normpath(mount.target) for mount in spec.mounts}
    return [folder for folder in file_folders(spec) if folder != "/" and folder not in mounted]


def file_archive(files: Iterable[ContainerFile], folder: str = "/") -> bytes:
    """Archive of files below a folder, without folders: the engine creates missing ones."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            content = file.content.encode(errors="surrogateescape")
            info = tarfile.TarInfo(posixpath.relpath(file.path, folder))
            info.size, info.mode, info.uid, info.gid = len(content), file.mode, file.user, file.group
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _is_path(mount: Mount) -> bool:
    return mount.source.startswith("/")


def _volume(mount: Mount) -> JsonObject:
    return {"Type": "volume", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _bind(mount: Mount) -> str:
    return f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}"


def _port(item: Publish) -> str:
    return f"{item.container_port}/{item.protocol}"


def _bindings(published: Sequence[Publish]) -> dict[str, list[JsonObject]]:
    bindings: dict[str, list[JsonObject]] = {}
    for item in published:
        bindings.setdefault(_port(item), []).append({"HostIp": item.address, "HostPort": str(item.host_port)})
    return bindings


def health(check: Healthcheck) -> JsonObject:
    """Docker's health check; times in nanoseconds."""
    return {
        "Test": list(check.test),
        "Interval": _nanoseconds(check.interval),
        "Timeout": _nanoseconds(check.timeout),
        "Retries": check.retries,
        "StartPeriod": _nanoseconds(check.start_period),
    }


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
