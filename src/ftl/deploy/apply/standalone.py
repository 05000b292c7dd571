"""The runners of plain containers on one server."""

from __future__ import annotations

from ftl.deploy.apply import containers, hooks, images, proxy, records
from ftl.deploy.apply.runners import Runners

RUNNERS = Runners(containers.RUNNERS, hooks.RUNNERS, images.RUNNERS, proxy.RUNNERS, records.RUNNERS)
