"""API calls about Swarm services and their tasks; only managers answer them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import quote

from ftl.common.json_fields import (
    Json,
    JsonObject,
    as_int,
    as_object,
    as_objects,
    as_str,
    as_str_map,
    as_strs,
)
from ftl.dataclass import dataclass
from ftl.engine.calls import body
from ftl.engine.calls.spec_update import update_spec
from ftl.engine.client import checked
from ftl.engine.errors import ignoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.client import Client
    from ftl.engine.specs import ContainerSpec

_OF_HOST = (
    "Memory",
    "NanoCpus",
    "PidsLimit",
    "ReadonlyRootfs",
    "Init",
    "CapAdd",
    "CapDrop",
    "Sysctls",
    "LogConfig",
)
SETTINGS = frozenset(("User", "WorkingDir", "StopSignal", *(f"HostConfig.{name}" for name in _OF_HOST)))
"""Fields of `ContainerSpec.settings` that a Swarm service has, too."""

_RESTART_DELAY = 1_000_000_000
"""Nanoseconds between the end of a task and the start of the next; the engine's default is five seconds."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A Swarm service to create; its containers have no ports, files, or networks but overlays.

    A node must meet all constraints: "node.labels.zone!=b".
    """

    name: str
    container: ContainerSpec
    replicas: int
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwarmService:
    """A Swarm service, as a manager lists it: aliases are by ID of the network.

    `image` is as its spec has it: an image ID where it was created by one.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    image: str
    replicas: int
    networks: Mapping[str, tuple[str, ...]]
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwarmTask:
    """A task of a Swarm service: one container on one node, wanted or past.

    Attributes:
        slot: Number of the replica, from 1.
        state: "pending", "preparing", "running", "failed", "rejected" ...
        wanted: The state that the manager asks for: "running", "shutdown", "remove".
        error: Why it failed or waits; empty where nothing is wrong.
        addresses: ID of each network -> its address there, without the prefix length.
    """

    id: str
    service: str
    slot: int
    node: str
    state: str
    wanted: str
    error: str
    container: str
    addresses: Mapping[str, str]


class ServiceCalls:
    """Calls about Swarm services; only managers answer them."""

    _client: Client

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """All Swarm services with these labels."""
        query = {"filters": body.labelled(labels)}
        items = as_objects(await self._client.get_json("list its services", "services", query))
        return [service_of(item) for item in items]

    async def tasks(self, service: str | None = None) -> list[SwarmTask]:
        """Tasks of a Swarm service, past ones too; without one, all tasks that shall run."""
        filters = {"service": [service]} if service is not None else {"desired-state": ["running"]}
        items = as_objects(await self._client.get_json("list its tasks", "tasks", {"filters": filters}))
        return [task_of(item) for item in items]

    async def create_service(self, spec: ServiceSpec) -> str:
        """Create a Swarm service, and return its ID. Its tasks start after that."""
        await self._client.info()  # which also tells the log driver
        made = service_body(spec, log_driver=self._client.log_driver)
        action = f"create the service {checked(spec.name)}"
        answer = await self._client.send(action, "POST", "services/create", body=made)
        return as_str(as_object(answer).get("ID"))

    async def scale_service(self, service: str, replicas: int, labels: Mapping[str, str | None]) -> None:
        """Change the number of replicas of a Swarm service, and its own labels; None removes one.

        Tasks that stay are not touched: what they are made of does not change.
        """

        def edit(spec: Json) -> JsonObject:
            return scaled(spec, replicas, labels)

        what = f"the service {service}"
        await update_spec(self._client, _path(service), edit, what=what, verb="scale")

    async def remove_service(self, service: str) -> None:
        """Remove a Swarm service, which stops its tasks; a missing one is no error."""
        with ignoring(404):
            await self._client.send(f"remove the service {service}", "DELETE", _path(service))


def _path(service: str) -> str:
    return f"services/{quote(checked(service), safe='')}"


def scaled(spec: Json, replicas: int, labels: Mapping[str, str | None]) -> JsonObject:
    """A service's spec with another number of replicas, and other labels; None removes one."""
    kept = {**as_str_map(spec.get("Labels")), **labels}
    return {
        **spec,
        "Labels": {name: value for name, value in kept.items() if value is not None},
        "Mode": {"Replicated": {"Replicas": replicas}},
    }


def service_of(item: Json) -> SwarmService:
    """One of `GET /services`."""
    spec = as_object(item.get("Spec"))
    template = as_object(spec.get("TaskTemplate"))
    replicated = as_object(as_object(spec.get("Mode")).get("Replicated"))
    return SwarmService(
        id=as_str(item.get("ID")),
        name=as_str(spec.get("Name")),
        labels=as_str_map(spec.get("Labels")),
        image=as_str(as_object(template.get("ContainerSpec")).get("Image")),
        replicas=as_int(replicated.get("Replicas")),
        networks={
            as_str(network.get("Target")): as_strs(network.get("Aliases"))
            for network in as_objects(template.get("Networks"))
        },
        constraints=as_strs(as_object(template.get("Placement")).get("Constraints")),
    )


def task_of(item: Json) -> SwarmTask:
    """One of `GET /tasks`."""
    status = as_object(item.get("Status"))
    return SwarmTask(
        id=as_str(item.get("ID")),
        service=as_str(item.get("ServiceID")),
        slot=as_int(item.get("Slot")),
        node=as_str(item.get("NodeID")),
        state=as_str(status.get("State")),
        wanted=as_str(item.get("DesiredState")),
        error=as_str(status.get("Err")),
        container=as_str(as_object(status.get("ContainerStatus")).get("ContainerID")),
        addresses={
            as_str(as_object(attachment.get("Network")).get("ID")): address.partition("/")[0]
            for attachment in as_objects(item.get("NetworksAttachments"))
            for address in as_strs(attachment.get("Addresses"))[:1]
        },
    )


def service_body(spec: ServiceSpec, *, log_driver: str) -> JsonObject:
    """The body that creates a service.

    The endpoint mode is `dnsrr`: virtual IPs go on routing to tasks that shut down (moby#38841), and need IPVS.
    """
    container = spec.container
    template: JsonObject = {
        "ContainerSpec": _container(container),
        "Placement": {"Constraints": list(spec.constraints)},
        "Resources": {"Limits": _limits(container)},
        "RestartPolicy": _restart(container.restart),
        "Networks": [
            {"Target": name, "Aliases": list(aliases)} for name, aliases in container.networks.items()
        ],
    }
    log = as_object(container.settings.get("HostConfig.LogConfig"))
    if log or log_driver == "json-file":
        log = log or as_object(body.BOUNDED_LOG)
        template["LogDriver"] = {"Name": log.get("Type"), "Options": log.get("Config")}
    return {
        "Name": spec.name,
        "Labels": dict(container.labels),
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": spec.replicas}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def _container(spec: ContainerSpec) -> JsonObject:
    settings = spec.settings
    made: JsonObject = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Mounts": [
            {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
            for mount in spec.mounts
        ],
        "Ulimits": [{"Name": item.name, "Soft": item.soft, "Hard": item.hard} for item in spec.ulimits],
        "User": settings.get("User"),
        "Dir": settings.get("WorkingDir"),
        "StopSignal": settings.get("StopSignal"),
        "ReadOnly": settings.get("HostConfig.ReadonlyRootfs"),
        "Init": settings.get("HostConfig.Init"),
        "CapabilityAdd": settings.get("HostConfig.CapAdd"),
        "CapabilityDrop": settings.get("HostConfig.CapDrop"),
        "Sysctls": settings.get("HostConfig.Sysctls"),
        # Swarm calls Docker's Entrypoint `Command`, and Docker's Cmd `Args`.
        "Command": list(spec.entrypoint) if spec.entrypoint is not None else None,
        "Args": list(spec.command) if spec.command is not None else None,
    }
    if spec.stop_timeout is not None:
        made["StopGracePeriod"] = math.ceil(spec.stop_timeout) * 1_000_000_000
    if spec.healthcheck is not None:
        made["Healthcheck"] = body.health(spec.healthcheck)
    return {name: value for name, value in made.items() if value is not None}


def _limits(spec: ContainerSpec) -> JsonObject:
    names = {
        "NanoCPUs": "HostConfig.NanoCpus",
        "MemoryBytes": "HostConfig.Memory",
        "Pids": "HostConfig.PidsLimit",
    }
    return {name: spec.settings[field] for name, field in names.items() if spec.settings.get(field)}


def _restart(policy: str) -> JsonObject:
    name, _, count = policy.partition(":")
    condition = {"no": "none", "on-failure": "on-failure"}.get(name, "any")
    limit: JsonObject = {"MaxAttempts": int(count)} if count else {}
    return {"Condition": condition, "Delay": _RESTART_DELAY, **limit}
