"""Replicas of Swarm services, observed as containers; and where their tasks are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.values import Container, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ftl.deploy.observe.state import Observed
    from ftl.engine.calls.services import SwarmService, SwarmTask


def replicas(
    services: Iterable[SwarmService], tasks: Iterable[SwarmTask], networks: Mapping[str, str]
) -> Iterator[Container]:
    """One container for each desired replica of a Swarm service, for the plan to compare.

    Whether its task runs at this moment is Swarm's concern, which starts it again, perhaps elsewhere. A service that
    `ftl stop` has stopped has no tasks; its label tells how many replicas it had. The tasks are those that shall run,
    and the networks' names are by ID.
    """
    by_slot = {(task.service, task.slot): task for task in tasks if task.wanted == "running"}
    for service in services:
        stopped = number_stopped(service)
        for slot in range(1, (stopped or service.replicas) + 1):
            task = by_slot.get((service.id, slot))
            addresses = task.addresses if task is not None else {}
            yield Container(
                id=f"{service.id}.{slot}",
                name=f"{service.name}.{slot}",
                image=service.labels.get(labels.IMAGE, service.image),
                image_id=service.image if service.image.startswith("sha256:") else "",
                labels={**service.labels, labels.REPLICA: str(slot)},
                state="exited" if stopped else "running",
                status="stopped" if stopped else task.state if task is not None else "pending",
                created=0,
                endpoints=tuple(
                    Endpoint(networks.get(network, network), addresses.get(network, ""), aliases, network)
                    for network, aliases in service.networks.items()
                ),
                constraints=service.constraints,
            )


def number_stopped(service: SwarmService) -> int:
    """Number of replicas that a stopped service had; 0 for one that runs."""
    text = service.labels.get(labels.STOPPED, "")
    return int(text) if text.isdigit() and not service.replicas else 0


def service_id(container: Container) -> str:
    """ID of the Swarm service that an observed replica is of; empty for a plain container."""
    identity, dot, slot = container.id.partition(".")
    return identity if dot and slot.isdigit() else ""


def located_container(observed: Observed, container: Container) -> tuple[str, Container] | None:
    """The server of an observed container, and the container; of a replica that of its task.

    None where no server that answers has one.
    """
    if not observed.is_cluster:
        return "", container
    service, slot = service_id(container), container.labels.get(labels.REPLICA, "")
    for view in observed.views:
        for one in view.containers:
            if one.id == container.id:
                return view.name, one
            if service and one.state == "running" and _is_task(one, service, slot):
                return view.name, one
    return None


def _is_task(container: Container, service: str, slot: str) -> bool:
    """Whether a container is the task of a replica: its name there is SERVICE.SLOT.TASK."""
    name = container.labels.get(labels.SWARM_TASK_NAME, "").split(".")
    return container.labels.get(labels.SWARM_SERVICE) == service and name[-2:-1] == [slot]
