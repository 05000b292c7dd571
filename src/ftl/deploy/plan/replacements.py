"""Replacements: containers that stop and others that start, as one action of a server.

Between two actions of ours FTL may be killed, or the connection cut: what was stopped would stay down until the next
deploy. So a step that starts containers also stops those that must not run beside them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.containers import RestartContainers, StartContainers, StartDependency, StopOld
from ftl.deploy.plan.steps.proxy import PublishName, Switch
from ftl.deploy.plan.steps.records import WriteRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftl.deploy.plan.model import Plan, Stage, Track
    from ftl.deploy.plan.steps.base import Step


@dataclass(frozen=True, slots=True)
class Proof:
    """Files on the server by which it can tell whether a plan was decided, without FTL.

    Attributes:
        record: The release record that says "live" then: `shop/r2.json`; empty without one.
        live: Live files in the proxy of which one has its alias then: `shop.web=ALIAS`.
    """

    record: str = ""
    live: tuple[str, ...] = ()


def proof_of(plan: Plan) -> Proof:
    """Find the record and the live files that prove a plan decided.

    Of a plan in several parts it is the last one's, which alone stops containers first.
    """
    early = {step.service for step in plan.steps if isinstance(step, PublishName)}
    switches = [step for step in plan.steps if isinstance(step, Switch)]
    aliases = switches[-1].aliases if switches else {}
    decides = any(isinstance(step, WriteRecord) and step.decides for step in plan.steps)
    return Proof(
        f"{plan.project}/{plan.release}.json" if decides else "",
        tuple(f"{plan.project}.{name}={alias}" for name, alias in aliases.items() if name not in early),
    )


def with_replacements(stages: Iterable[Stage]) -> Iterator[Stage]:
    """Let steps that start containers stop those that stop first on the same server."""
    for stage in stages:
        yield replace(stage, tracks=tuple(tuple(_joined(track)) for track in stage.tracks))


def _joined(track: Track) -> Iterator[Step]:
    stops: list[StopOld] = []
    for step in track:
        if isinstance(step, StopOld):
            stops.append(step)
            continue
        if isinstance(step, (StartContainers, StartDependency, RestartContainers)):
            yield from (stop for stop in stops if stop.servers != step.servers)
            yield replace(step, stops=tuple(stop for stop in stops if stop.servers == step.servers))
        else:
            yield from stops
            yield step
        stops = []
    yield from stops
