"""Replicas: numbers, generations and network aliases of a release's containers.

The live file of a service holds one alias, and its containers are those that have this alias. So that replicas can be
added and removed with one write of that file, as in a deploy, a container has an alias for each size of the set that it
belongs to: number 2 has `r5-2-...`, `r5-3-...` and so on, but not `r5-1-...`. One that is added later does not have
`r5-...` itself: requests would reach it before it is healthy. `ftl restart` replaces containers of a release by those
of its next generation, `r5g2-...`, one after the other: the new number 3 also has the aliases of the smaller sets of
the generation before, `r5-2-...` and `r5-1-...`, so that the former leads to the old numbers 1 and 2 and to the new 3.

Containers of FTL 0.1.0 have `r5-...` only, and no labels for this. An alias cannot be added to a container that runs
without cutting its connections, so they are never given one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.proxy.names import release_alias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.values import Container

MOST = 32
"""Number of replicas that containers have aliases for; a change beyond it replaces them all."""

_NUMBERED = re.compile(r"-([0-9]+)")
_JOINED = re.compile(r"([0-9]{1,6}):([0-9]{1,2})")


def generation_name(release: str, generation: int) -> str:
    """A release and generation in names: `r5`, then `r5g2`."""
    return release if generation == 1 else f"{release}g{generation}"


def generation_of(container: Container) -> int:
    """The generation that a container was started in."""
    text = container.labels.get(labels.GENERATION, "")
    return int(text) if text.isdigit() else 1


def is_numbered(container: Container) -> bool:
    """Whether a container has aliases for sets of replicas; those of FTL 0.1.0 do not."""
    return labels.REPLICA in container.labels


def number_of(container: Container) -> int:
    """The container's number in its release, from 1.

    FTL 0.1.0 wrote it at the end of the container's name only.
    """
    text = container.labels.get(labels.REPLICA, "")
    if text.isdigit():
        return int(text)
    release = container.labels.get(labels.RELEASE, "")
    match = _NUMBERED.fullmatch(container.name.rpartition(release)[2]) if release else None
    return int(match[1]) if match is not None else 1


def aliases(label_map: Mapping[str, str]) -> tuple[str, ...]:
    """The aliases of a container in its project's network, by its labels."""
    project, service = label_map[labels.PROJECT], label_map[labels.SERVICE]
    generation = label_map.get(labels.GENERATION, "1")
    name = generation_name(label_map[labels.RELEASE], int(generation) if generation.isdigit() else 1)
    own = () if labels.ADDED in label_map else (release_alias(project, service, name),)
    number = label_map.get(labels.REPLICA, "")
    sizes = range(int(number), MOST + 1) if number.isdigit() else ()
    names = [f"{name}-{size}" for size in sizes]
    if joined := _JOINED.fullmatch(label_map.get(labels.JOINED, "")):
        before = generation_name(label_map[labels.RELEASE], int(joined[1]))
        names += [f"{before}-{size}" for size in range(1, int(joined[2]) + 1)]
    return (*own, *(release_alias(project, service, name) for name in names))


def joined_mark(generation: int, size: int) -> str:
    """Label of a container that belongs to the sets of an earlier generation, up to a size."""
    return f"{generation}:{size}"


def joined_generation(container: Container) -> int:
    """The earlier generation to whose sets a container belongs, too; 0 without one."""
    joined = _JOINED.fullmatch(container.labels.get(labels.JOINED, ""))
    return int(joined[1]) if joined else 0


def replaced_one_by_one(live: Sequence[Container]) -> tuple[Container, ...]:
    """Live containers of a service that can be replaced one after the other, in this order.

    The others, at least one, are replaced together, after them: for each one there has to be an alias that leads to the
    containers that stay, and to those that were replaced before, which get it. Containers of FTL 0.1.0 have none.
    """
    base = min(map(generation_of, live), default=1)
    numbered = {
        number_of(container): container
        for container in live
        if generation_of(container) == base and is_numbered(container)
    }
    staying = {container.id for container in live}
    replaced: list[Container] = []
    for number in range(len(numbered), 1, -1):
        if number not in numbered:
            break
        staying.discard(numbered[number].id)
        reached = reached_by(smaller_set(numbered[number]), live)
        if {container.id for container in reached} != staying:
            break
        replaced.append(numbered[number])
    return tuple(replaced)


def smaller_set(container: Container) -> str:
    """Alias of the replicas of its generation with a smaller number than a container."""
    label_map = container.labels
    name = generation_name(label_map[labels.RELEASE], generation_of(container))
    return release_alias(
        label_map[labels.PROJECT], label_map[labels.SERVICE], f"{name}-{number_of(container) - 1}"
    )


def reached_by(alias: str, containers: Iterable[Container]) -> tuple[Container, ...]:
    """The containers of a service that an alias, or the name of one, leads to."""
    return tuple(
        container
        for container in containers
        if alias == container.name
        or (labels.RELEASE in container.labels and alias in aliases(container.labels))
    )


def alias_of(containers: Sequence[Container], others: Iterable[Container] = ()) -> str:
    """An alias that leads to these containers and to none of the others; empty without one."""
    if not containers:
        return ""
    shared = [
        name for name in aliases(containers[0].labels) if len(reached_by(name, containers)) == len(containers)
    ]
    rest = [other for other in others if other.id not in {container.id for container in containers}]
    own = [name for name in shared if not reached_by(name, rest)]
    if own:
        return own[0]
    return containers[0].name if len(containers) == 1 else ""
