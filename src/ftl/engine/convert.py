"""Conversion of the Engine API's JSON to values.

The shapes are those of the Engine API reference, tested with Docker 20.10 (API 1.41) to 28 (1.51).
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from ftl.common.json_fields import Json, as_bool, as_int, as_object, as_objects, as_str, as_str_map, as_strs
from ftl.engine import labels
from ftl.engine.values import (
    CacheRecord,
    Container,
    ContainerState,
    ContainerStats,
    DiskUsage,
    Endpoint,
    EngineInfo,
    Image,
    Mount,
    Network,
    PublishedPort,
    Store,
    Volume,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_RFC3339_SECONDS = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z"

State = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]

# Architectures as uname names them (in `/info`) -> as Go names them (in images).
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
    architecture = as_str(info.get("Architecture"))
    swarm = as_object(info.get("Swarm"))
    cluster = as_object(swarm.get("Cluster"))  # of managers alone, while there is a leader
    platform = f"{as_str(info.get('OSType')) or 'linux'}/{_ARCHITECTURES.get(architecture, architecture)}"
    return EngineInfo(
        version=_plain_version(as_str(info.get("ServerVersion"))),
        api=api,
        platform=platform,
        store=_store(info),
        root=as_str(info.get("DockerRootDir")),
        kernel=as_str(info.get("KernelVersion")),
        id=as_str(info.get("ID")),
        memory=as_int(info.get("MemTotal")),
        clock_ahead=_clock_ahead(as_str(info.get("SystemTime"))),
        node=as_str(swarm.get("NodeID")),
        is_manager=as_bool(swarm.get("ControlAvailable")),
        has_leader=bool(cluster.get("ID")),
        times_begun=cluster_times_begun(as_str_map(as_object(cluster.get("Spec")).get("Labels"))),
    )


def cluster_times_begun(label_map: Mapping[str, str]) -> int:
    """Number of times that FTL began a Swarm with these labels; 0 for others, and for none.

    Managers that were lost may come back together and elect a leader of the old cluster: the newer one counts.
    """
    text = label_map.get(labels.CLUSTER, "0")
    return int(text) if text.isdecimal() else 1


def _clock_ahead(system_time: str) -> float:
    """Difference of a clock that was read just now (RFC 3339, any zone) to this machine's; 0 if unknown."""
    try:
        return datetime.fromisoformat(system_time).timestamp() - time.time()
    except ValueError:
        return 0.0


def _plain_version(version: str) -> str:
    """Debian writes 20.10.24+dfsg1; others add -ce or +azure."""
    match = re.match(r"\d+(\.\d+)*", version)
    return match.group() if match else version


def _store(info: Json) -> Store:
    """The containerd store names its plugin: [["driver-type", "io.containerd.snapshotter.v1"]]."""
    status = info.get("DriverStatus")
    pairs = status if isinstance(status, list) else []
    kinds = [as_str(pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    return "containerd" if any(kind.startswith("io.containerd.snapshotter") for kind in kinds) else "overlay2"


def _tags(value: object) -> tuple[str, ...]:
    return tuple(tag for tag in as_strs(value) if not tag.startswith("<none>"))


def usage(answer: Json) -> DiskUsage:
    """`GET /system/df`; sizes that the engine does not know are -1, and count as 0."""
    unused = (item for item in as_objects(answer.get("Images")) if item.get("Containers") == 0)
    cache = (
        item
        for item in as_objects(answer.get("BuildCache"))
        if not as_bool(item.get("InUse")) and not as_bool(item.get("Shared"))
    )
    return DiskUsage(
        unused_images=sum(_unshared(item) for item in unused),
        build_cache=sum(max(0, as_int(item.get("Size"))) for item in cache),
        layers=max(0, as_int(answer.get("LayersSize"))),
    )


def build_cache(answer: Json) -> tuple[CacheRecord, ...]:
    """`GET /system/df`: the records of the build cache that no build is using."""
    return tuple(
        CacheRecord(
            as_str(item.get("ID")),
            as_str(item.get("Type")),
            unix_seconds(as_str(item.get("CreatedAt"))),
            as_bool(item.get("Shared")),
        )
        for item in as_objects(answer.get("BuildCache"))
        if not as_bool(item.get("InUse"))
    )


def unix_seconds(timestamp: str) -> float:
    """An engine's time, which has nanoseconds, as Unix time; 0 where it is none."""
    head, _, fraction = timestamp.removesuffix("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{head[:19]}.{fraction[:6]:0<6}").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def unshared_size(image: Json) -> int | None:
    """Bytes of layers that only this listed image has; None where the engine does not say."""
    return _unshared(image) if as_int(image.get("SharedSize", -1)) >= 0 else None


def _unshared(image: Json) -> int:
    whole, shared = as_int(image.get("Size")), as_int(image.get("SharedSize"))
    return max(0, whole - shared) if whole >= 0 and shared >= 0 else 0


def listed_image(item: Json) -> Image:
    """One of `GET /images/json`: without layers and platform; the config has only labels."""
    labels = as_str_map(item.get("Labels"))
    return Image(
        id=as_str(item.get("Id")),
        tags=_tags(item.get("RepoTags")),
        digests=_tags(item.get("RepoDigests")),
        layers=(),
        config={"Labels": labels} if labels else {},
        platform="",
        size=as_int(item.get("Size")),
    )


def inspected_image(item: Json) -> Image:
    """`GET /images/{name}/json`."""
    parts = [as_str(item.get("Os")), as_str(item.get("Architecture")), as_str(item.get("Variant"))]
    return Image(
        id=as_str(item.get("Id")),
        tags=_tags(item.get("RepoTags")),
        digests=_tags(item.get("RepoDigests")),
        layers=as_strs(as_object(item.get("RootFS")).get("Layers")),
        config=as_object(item.get("Config")),
        platform="/".join(part for part in parts if part),
        size=as_int(item.get("Size")),
        created=as_str(item.get("Created")),
    )


def _endpoints(settings: object) -> tuple[Endpoint, ...]:
    networks = as_object(as_object(settings).get("Networks"))
    return tuple(
        Endpoint(
            network=name,
            address=as_str(endpoint.get("IPAddress")) or as_str(endpoint.get("GlobalIPv6Address")),
            aliases=as_strs(endpoint.get("Aliases")),
            network_id=as_str(endpoint.get("NetworkID")),
        )
        for name, endpoint in ((name, as_object(value)) for name, value in sorted(networks.items()))
    )


def _published(item: Json) -> PublishedPort:
    return PublishedPort(
        container_port=as_int(item.get("PrivatePort")),
        protocol=as_str(item.get("Type")),
        host_address=as_str(item.get("IP")),
        host_port=as_int(item.get("PublicPort")),
    )


def _state(value: object) -> State:
    states: tuple[State, ...] = get_args(State)
    return next((state for state in states if state == value), "dead")


def _name(names: object) -> str:
    """The name among a container's names: those that links add have a second slash."""
    top = [name for name in as_strs(names) if name.count("/") == 1]
    return top[0].removeprefix("/") if top else ""


def listed_container(item: Json) -> Container:
    """One of `GET /containers/json`."""
    return Container(
        id=as_str(item.get("Id")),
        name=_name(item.get("Names")),
        image=as_str(item.get("Image")),
        image_id=as_str(item.get("ImageID")),
        labels=as_str_map(item.get("Labels")),
        state=_state(item.get("State")),
        status=as_str(item.get("Status")),
        created=as_int(item.get("Created")),
        endpoints=_endpoints(item.get("NetworkSettings")),
        published=tuple(_published(port) for port in as_objects(item.get("Ports"))),
        mounts=tuple(_mount(mount) for mount in as_objects(item.get("Mounts"))),
    )


def _mount(item: Json) -> Mount:
    """An entry of a listed container's `Mounts`: a volume by its name, a bind by the machine's path."""
    volume = as_str(item.get("Type")) == "volume"
    source = as_str(item.get("Name")) if volume else as_str(item.get("Source"))
    return Mount(source, as_str(item.get("Destination")), read_only=not as_bool(item.get("RW")))


def inspected_container(item: Json) -> ContainerState:
    """`GET /containers/{id}/json`."""
    state = as_object(item.get("State"))
    health = as_object(state.get("Health"))
    checks = as_objects(health.get("Log"))
    status = as_str(health.get("Status"))
    return ContainerState(
        id=as_str(item.get("Id")),
        name=as_str(item.get("Name")).removeprefix("/"),
        running=as_bool(state.get("Running")),
        restarting=as_bool(state.get("Restarting")),
        exit_code=as_int(state.get("ExitCode")),
        oom_killed=as_bool(state.get("OOMKilled")),
        error=as_str(state.get("Error")),
        health="" if status == "none" else status,
        health_log=as_str(checks[-1].get("Output")).strip() if checks else "",
        started=as_str(state.get("StartedAt")),
        pid=as_int(state.get("Pid")),
        restarts=as_int(item.get("RestartCount")),
        endpoints=_endpoints(item.get("NetworkSettings")),
        check_seconds=_check_seconds(as_object(as_object(item.get("Config")).get("Healthcheck"))),
        finished=as_str(state.get("FinishedAt")),
        labels=as_str_map(as_object(item.get("Config")).get("Labels")),
        restart_policy=_restart_policy(as_object(as_object(item.get("HostConfig")).get("RestartPolicy"))),
        sandbox=as_str(as_object(item.get("NetworkSettings")).get("SandboxID")),
    )


def _restart_policy(policy: Json) -> str:
    name, count = as_str(policy.get("Name")), as_int(policy.get("MaximumRetryCount"))
    return f"{name}:{count}" if count else name


def _check_seconds(check: Json) -> float:
    """The longest that a health check may take to pass: settings in nanoseconds, 0 for Docker's defaults."""
    if not check:
        return 0.0
    interval, timeout, start = (
        as_int(check.get(name)) / 1e9 for name in ("Interval", "Timeout", "StartPeriod")
    )
    retries = as_int(check.get("Retries")) or 3
    return start + ((interval or 30.0) + (timeout or 30.0)) * (retries + 1)


def container_stats(item: Json) -> ContainerStats | None:
    """`GET /containers/{id}/stats`; None for a container that does not run.

    Memory as the docker CLI shows it. The file cache is `inactive_file` in cgroup v2, `total_inactive_file` in v1.
    """
    read = re.match(_RFC3339_SECONDS, as_str(item.get("read")))
    memory = as_object(item.get("memory_stats"))
    if read is None or "usage" not in memory:
        return None
    details = as_object(memory.get("stats"))
    cache = as_int(details.get("inactive_file")) or as_int(details.get("total_inactive_file"))
    whole, fraction = read.groups()
    return ContainerStats(
        seconds=datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}"),
        cpu_seconds=as_int(as_object(as_object(item.get("cpu_stats")).get("cpu_usage")).get("total_usage"))
        / 1e9,
        memory=max(0, as_int(memory.get("usage")) - cache),
        memory_limit=as_int(memory.get("limit")),
    )


def network(item: Json) -> Network:
    """One of `GET /networks`, or `GET /networks/{id}`."""
    ranges = as_objects(as_object(item.get("IPAM")).get("Config"))
    return Network(
        id=as_str(item.get("Id")),
        name=as_str(item.get("Name")),
        labels=as_str_map(item.get("Labels")),
        subnets=tuple(subnet for subnet in (as_str(part.get("Subnet")) for part in ranges) if subnet),
        internal=as_bool(item.get("Internal")),
        driver=as_str(item.get("Driver")) or "bridge",
    )


def volume(item: Json) -> Volume:
    """One of `GET /volumes`."""
    return Volume(name=as_str(item.get("Name")), labels=as_str_map(item.get("Labels")))
