"""The runners of plain containers on one server."""

from __future__ import annotations

from ftl.deploy.apply import containers, hooks, image_removal, images, jobs, proxy, records, watch
from ftl.deploy.apply.runners import Runners

RUNNERS = Runners(
    containers.RUNNERS,
    hooks.RUNNERS,
    images.RUNNERS,
    image_removal.RUNNERS,
    jobs.RUNNERS,
    proxy.RUNNERS,
    records.RUNNERS,
    watch.RUNNERS,
)
