"""What people should know of a plan beside its steps: what is left undone on a server, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.server.setup.plan import daemon, ufw
from ftl.server.setup.plan.steps import ApplyFirewall
from ftl.server.setup.ports import SWARM, format_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.plan.steps import SetupStep
    from ftl.server.setup.request import SetupRequest


def about(wanted: SetupRequest, observed: ObservedServer, steps: Sequence[SetupStep]) -> Iterator[str]:
    """A sentence for each.

    Args:
        wanted: What was asked for.
        observed: What is there.
        steps: What will be done.
    """
    yield from _of_the_engine(wanted, observed)
    if wanted.firewall:
        yield from _of_the_firewall(wanted, observed, steps)


def _of_the_engine(wanted: SetupRequest, observed: ObservedServer) -> Iterator[str]:
    if observed.dockerd is not None and observed.dockerd.startswith("/snap/"):
        yield "Docker is a snap there, which has settings of its own: they are left alone"
    if observed.engine is not None and observed.engine.swarm:
        yield "its engine is in a swarm, which knows no live-restore: it is left off"
    if unheard := daemon.unheard(observed.engine_arguments, wanted.insecure):
        yield (
            f"its engine has --insecure-registry on its command line, and does not start when daemon.json names some, "
            f"too: add {', '.join(unheard)} to that command line"
        )


def _of_the_firewall(
    wanted: SetupRequest, observed: ObservedServer, steps: Sequence[SetupStep]
) -> Iterator[str]:
    swarm = SWARM if observed.engine is not None and observed.engine.swarm else ()
    if observed.ufw is not None and (missing := ufw.missing(observed.ufw, swarm)):
        yield f"ufw has no rule about the swarm's {format_ports(missing)}: allow its other nodes alone there"
    applies = next((step for step in steps if isinstance(step, ApplyFirewall)), None)
    if applies is None or observed.firewall.rules is not None:
        return
    stays = {*applies.ports, *wanted.forwards, *observed.forwarded}
    containers = sorted(observed.published - stays)
    programs = sorted(observed.listening - observed.published - stays) if applies.own_input else []
    for who, closing in (("something listens", programs), ("containers publish ports", containers)):
        if closing:
            yield f"{who} on {format_ports(closing)}, which will be closed: `--allow PORT` keeps it open"
