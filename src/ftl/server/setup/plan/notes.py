"""Notes on a plan: settings that setup leaves unchanged, and side effects of the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.server.setup.plan import daemon, ufw
from ftl.server.setup.plan.guarded import ApplyFirewall
from ftl.server.setup.ports import SWARM, format_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.plan.steps import SetupStep
    from ftl.server.setup.request import SetupRequest


def plan_notes(request: SetupRequest, observed: ObservedServer, steps: Sequence[SetupStep]) -> Iterator[str]:
    """The notes, a sentence each."""
    yield from _engine_notes(request, observed)
    if request.firewall:
        yield from _firewall_notes(request, observed, steps)
    if request.harden:
        for exception in observed.sshd.exceptions:
            yield f"passwords, or root's login, stay open where a file of the SSH server says so: {exception}"


def _engine_notes(request: SetupRequest, observed: ObservedServer) -> Iterator[str]:
    if observed.dockerd is not None and observed.dockerd.startswith("/snap/"):
        yield "Docker is installed as a snap, which has its own settings: they were not changed"
    if observed.engine is not None and observed.engine.swarm and not request.cluster:
        yield "the engine is in a swarm, which does not support live-restore: it stays off"
    if missing := daemon.missing_from_arguments(observed.engine_arguments, request.insecure):
        yield (
            "the engine has --insecure-registry on its command line, and does not start when daemon.json lists "
            f"insecure registries too: add {', '.join(missing)} to that command line"
        )


def _firewall_notes(
    request: SetupRequest, observed: ObservedServer, steps: Sequence[SetupStep]
) -> Iterator[str]:
    swarm = SWARM if observed.engine is not None and observed.engine.swarm and not request.cluster else ()
    if observed.ufw_rules is not None and (missing := ufw.missing(observed.ufw_rules, swarm)):
        yield f"ufw has no rule for the swarm's {format_ports(missing)}: allow them from the other nodes only"
    applies = next((step for step in steps if isinstance(step, ApplyFirewall)), None)
    if applies is None or observed.firewall.conf is not None:
        return
    stays_open = {*applies.ports, *request.forwards, *observed.ftl_ports}
    containers = sorted(observed.foreign_ports - stays_open)
    programs = sorted(observed.listening - observed.foreign_ports - stays_open) if applies.own_input else []
    for subject, ports in (("programs listen", programs), ("containers publish ports", containers)):
        if ports:
            yield f"{subject} on {format_ports(ports)}, which will be closed: `--allow PORT` keeps a port open"
