"""Result of an operation that made a release of a project, or changed its live one."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.apply.context import Freed, TransferTotals
from ftl.deploy.plan.steps.records import SetPreview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.deploy.operation import OperationResult
    from ftl.deploy.plan.model import PlannedChange
    from ftl.releases.watch import WatchOutcome


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """Result of a deploy for one service or dependency."""

    image: str
    action: str
    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0
    bytes_saved: int = 0


@dataclass(frozen=True, slots=True)
class ServerTransfer:
    """Bytes of images that went to one of several servers.

    Attributes:
        bytes_sent: From here.
        bytes_fanned_out: From another server.
    """

    host: str
    bytes_sent: int = 0
    bytes_fanned_out: int = 0


@dataclass(frozen=True, slots=True)
class DeployResult:
    """Result of a deploy.

    Attributes:
        changed: Whether there was anything to do.
        removed: Services and dependencies that ftl.yaml no longer names.
        by_address: Whether it also answers by the server's address, as the only project there with routes.
        maintenance: Whether visitors get 503, from `ftl maintenance on`.
        watch: How its watch ended: "passed", or "ended" by another operation; None where there was none.
        until: Of a preview, when the server removes it: Unix time by the server's clock.
        servers: What each of several servers got; empty with one.
    """

    server: str
    release: str
    seconds: float
    changed: bool
    services: Mapping[str, ServiceResult] = field(default_factory=dict)
    dependencies: Mapping[str, ServiceResult] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    by_address: bool = False
    maintenance: bool = False
    watch: WatchOutcome | None = None
    until: float | None = None
    servers: tuple[ServerTransfer, ...] = ()
    freed: Freed = field(default_factory=Freed)


def result(applied: OperationResult) -> DeployResult:
    """Result of an operation that made a release of a project, or changed its live one."""
    plan = applied.plan

    def unit(change: PlannedChange) -> ServiceResult:
        totals = applied.sent_for.get(change.name, TransferTotals())
        return ServiceResult(
            change.image,
            change.action,
            totals.layers_sent,
            totals.layers_reused,
            totals.bytes_sent,
            totals.bytes_saved,
        )

    def server(name: str) -> ServerTransfer:
        totals = applied.sent_to.get(name, TransferTotals())
        return ServerTransfer(name, totals.bytes_sent, totals.bytes_fanned_out)

    return DeployResult(
        server=plan.server,
        release=plan.release,
        seconds=applied.seconds,
        changed=not plan.empty,
        services={
            change.name: unit(change)
            for change in plan.changes
            if change.kind == "service" and change.action != "removed"
        },
        dependencies={change.name: unit(change) for change in plan.changes if change.kind == "dependency"},
        removed=tuple(change.name for change in plan.changes if change.action == "removed"),
        urls=applied.project.urls,
        by_address=plan.by_address,
        maintenance=plan.maintenance,
        until=next(
            (step.preview.until for step in plan.steps if isinstance(step, SetPreview) and step.preview), None
        ),
        servers=tuple(server(each.host) for each in applied.project.servers),
        freed=applied.freed,
    )
