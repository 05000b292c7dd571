"""From the Engine API's JSON to our values.

The shapes are those of the Engine API reference, seen on Docker 20.10 (API 1.41) to 28 (1.51).
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from ftl.engine.values import (
    Container,
    ContainerState,
    Endpoint,
    EngineInfo,
    Image,
    Network,
    Published,
    Store,
    Usage,
    Volume,
)
from ftl.json_fields import Json, flag, mapping, number, record, records, text, texts

State = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]

# uname's names, as `/info` gives them, to Go's, as images carry them.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm/v7",
    "armv6l": "arm/v6",
    "i686": "386",
    "i386": "386",
}


def engine_info(info: Json, api: str) -> EngineInfo:
    """`GET /info`."""
    architecture = text(info.get("Architecture"))
    platform = f"{text(info.get('OSType')) or 'linux'}/{_ARCHITECTURES.get(architecture, architecture)}"
    return EngineInfo(
        version=_plain_version(text(info.get("ServerVersion"))),
        api=api,
        platform=platform,
        store=_store(info),
        root=text(info.get("DockerRootDir")),
        kernel=text(info.get("KernelVersion")),
    )


def _plain_version(version: str) -> str:
    """Debian writes 20.10.24+dfsg1; others add -ce or +azure."""
    found = re.match(r"\d+(\.\d+)*", version)
    return found.group() if found else version


def _store(info: Json) -> Store:
    """The containerd store names its plugin: [["driver-type", "io.containerd.snapshotter.v1"]]."""
    status = info.get("DriverStatus")
    pairs = status if isinstance(status, list) else []
    kinds = [text(pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    return "containerd" if any(kind.startswith("io.containerd.snapshotter") for kind in kinds) else "overlay2"


def _tags(value: object) -> tuple[str, ...]:
    return tuple(tag for tag in texts(value) if not tag.startswith("<none>"))


def usage(answer: Json) -> Usage:
    """`GET /system/df`: sizes that an engine does not know are -1, and count as nothing."""
    unused = (item for item in records(answer.get("Images")) if item.get("Containers") == 0)
    cache = (
        item
        for item in records(answer.get("BuildCache"))
        if not flag(item.get("InUse")) and not flag(item.get("Shared"))
    )
    return Usage(
        unused_images=sum(_unshared(item) for item in unused),
        build_cache=sum(max(0, number(item.get("Size"))) for item in cache),
    )


def _unshared(image: Json) -> int:
    whole, shared = number(image.get("Size")), number(image.get("SharedSize"))
    return max(0, whole - shared) if whole >= 0 and shared >= 0 else 0


def listed_image(item: Json) -> Image:
    """One of `GET /images/json`: no layers and no platform; of the config the labels alone."""
    labels = mapping(item.get("Labels"))
    return Image(
        id=text(item.get("Id")),
        tags=_tags(item.get("RepoTags")),
        digests=_tags(item.get("RepoDigests")),
        layers=(),
        config={"Labels": labels} if labels else {},
        platform="",
        size=number(item.get("Size")),
    )


def inspected_image(item: Json) -> Image:
    """`GET /images/{name}/json`."""
    parts = [text(item.get("Os")), text(item.get("Architecture")), text(item.get("Variant"))]
    return Image(
        id=text(item.get("Id")),
        tags=_tags(item.get("RepoTags")),
        digests=_tags(item.get("RepoDigests")),
        layers=texts(record(item.get("RootFS")).get("Layers")),
        config=record(item.get("Config")),
        platform="/".join(part for part in parts if part),
        size=number(item.get("Size")),
        created=text(item.get("Created")),
    )


def _endpoints(settings: object) -> tuple[Endpoint, ...]:
    networks = record(record(settings).get("Networks"))
    return tuple(
        Endpoint(
            network=name,
            address=text(place.get("IPAddress")) or text(place.get("GlobalIPv6Address")),
            aliases=texts(place.get("Aliases")),
            network_id=text(place.get("NetworkID")),
        )
        for name, place in ((name, record(value)) for name, value in sorted(networks.items()))
    )


def _published(item: Json) -> Published:
    return Published(
        container_port=number(item.get("PrivatePort")),
        protocol=text(item.get("Type")),
        host_address=text(item.get("IP")),
        host_port=number(item.get("PublicPort")),
    )


def _state(value: object) -> State:
    states: tuple[State, ...] = get_args(State)
    return next((state for state in states if state == value), "dead")


def _own_name(names: object) -> str:
    """A container's own name among its names: those that links give it have a second slash."""
    own = [name for name in texts(names) if name.count("/") == 1]
    return own[0].removeprefix("/") if own else ""


def listed_container(item: Json) -> Container:
    """One of `GET /containers/json`."""
    return Container(
        id=text(item.get("Id")),
        name=_own_name(item.get("Names")),
        image=text(item.get("Image")),
        image_id=text(item.get("ImageID")),
        labels=mapping(item.get("Labels")),
        state=_state(item.get("State")),
        status=text(item.get("Status")),
        created=number(item.get("Created")),
        endpoints=_endpoints(item.get("NetworkSettings")),
        published=tuple(_published(port) for port in records(item.get("Ports"))),
    )


def inspected_container(item: Json) -> ContainerState:
    """`GET /containers/{id}/json`."""
    state = record(item.get("State"))
    health = record(state.get("Health"))
    checks = records(health.get("Log"))
    status = text(health.get("Status"))
    return ContainerState(
        id=text(item.get("Id")),
        name=text(item.get("Name")).removeprefix("/"),
        running=flag(state.get("Running")),
        restarting=flag(state.get("Restarting")),
        exit_code=number(state.get("ExitCode")),
        oom_killed=flag(state.get("OOMKilled")),
        error=text(state.get("Error")),
        health="" if status == "none" else status,
        health_log=text(checks[-1].get("Output")).strip() if checks else "",
        started=text(state.get("StartedAt")),
        pid=number(state.get("Pid")),
        restarts=number(item.get("RestartCount")),
        endpoints=_endpoints(item.get("NetworkSettings")),
    )


def network(item: Json) -> Network:
    """One of `GET /networks`, or `GET /networks/{id}`."""
    ranges = records(record(item.get("IPAM")).get("Config"))
    return Network(
        id=text(item.get("Id")),
        name=text(item.get("Name")),
        labels=mapping(item.get("Labels")),
        subnets=tuple(subnet for subnet in (text(part.get("Subnet")) for part in ranges) if subnet),
        internal=flag(item.get("Internal")),
    )


def volume(item: Json) -> Volume:
    """One of `GET /volumes`."""
    return Volume(name=text(item.get("Name")), labels=mapping(item.get("Labels")))
