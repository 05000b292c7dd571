"""The runners of `DOCKER`: those of steps on one server, and of a cluster."""

from __future__ import annotations

from ftl.deploy.apply.steps import (
    catch_up,
    containers,
    hooks,
    image_removal,
    images,
    jobs,
    notifications,
    proxy,
    reach,
    records,
    swarm_services,
    watch,
)
from ftl.execution.runners import Runners

RUNNERS = Runners(
    catch_up.RUNNERS,
    containers.RUNNERS,
    hooks.RUNNERS,
    images.RUNNERS,
    image_removal.RUNNERS,
    jobs.RUNNERS,
    notifications.RUNNERS,
    proxy.RUNNERS,
    reach.RUNNERS,
    records.RUNNERS,
    watch.RUNNERS,
    swarm_services.RUNNERS,
)
