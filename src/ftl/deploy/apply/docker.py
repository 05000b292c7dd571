"""The runners of `DOCKER`: those of steps on one server, and of a cluster."""

from __future__ import annotations

from ftl.deploy.apply.steps import (
    catch_up,
    containers,
    hooks,
    jobs,
    notifications,
    proxy,
    reach,
    records,
    swarm_services,
    watch,
)
from ftl.deploy.apply.steps.images import bring, ownership, removal
from ftl.execution.runners import Runners

RUNNERS = Runners(
    catch_up.RUNNERS,
    containers.RUNNERS,
    hooks.RUNNERS,
    bring.RUNNERS,
    ownership.RUNNERS,
    removal.RUNNERS,
    jobs.RUNNERS,
    notifications.RUNNERS,
    proxy.RUNNERS,
    reach.RUNNERS,
    records.RUNNERS,
    watch.RUNNERS,
    swarm_services.RUNNERS,
)
