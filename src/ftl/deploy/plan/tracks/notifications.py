"""Track about the messages that the server sends by itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.notification import SERVER_EVENTS
from ftl.config.models.server import WEB
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.proxy.tls.policy import secured_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track


def notifications_track(diff: Diff) -> Track:
    """Write where the server sends messages, if that changed or with a new release.

    With each, since another user may have deployed the last one, whose crontab has the line; and where a crontab that
    had jobs, or the line, was lost. Only ftl.yaml has the webhooks: a rollback leaves them as they are, and writes of
    which jobs and hosts they hear by now: a line of another user's crontab may start what it has removed. Of several
    servers, the first one sends: it has the jobs. One that was the first before ends; while the first is down, it goes
    on.
    """
    first = diff.project.servers[0].host if diff.observed.is_cluster else ""
    if diff.request.purpose.same_release or first in diff.observed.down:
        return ()
    return tuple(_steps(diff, first))


def ended_notifications(observed: Observed) -> Track:
    """Nothing is sent any more, by any server that answers."""
    return tuple(
        SetNotifications(observed.project, b"", servers=(server.name,))
        for server in observed.servers
        if server.notify
    )


def _steps(diff: Diff, first: str) -> Iterator[SetNotifications]:
    for server in diff.observed.servers:
        if diff.request.purpose.from_record and (server.name != first or not server.notify):
            continue  # what another server has, this one cannot get
        lines = server_lines(diff, server.notify) if server.name == first else b""
        again = diff.makes_release or diff.observed.crontab_differs or diff.observed.check_lost
        if lines != server.notify or (lines and again):
            certificates = b"\nhost " in lines
            yield SetNotifications(
                diff.project.name, lines, certificates=certificates, servers=(server.name,)
            )


def server_lines(diff: Diff, before: bytes) -> bytes:
    """Lines for notify.sh: the server's name, hosts to check, jobs, webhooks; empty without one.

    A rollback has the webhooks, and the server's name, of the lines `before` it.

    The certificates of these hosts are those that somebody has to renew: an authority, or the user. The first of
    several servers sees those that all proxies have, if it has one.
    """
    servers = diff.project.servers
    is_web = not servers or WEB in servers[0].roles
    hosts = [
        host.replace("*", "any", 1)
        for host, secured in secured_hosts([diff.target_site] if diff.target_site is not None else []).items()
        if is_web and (secured.uses_acme or secured.certificate is not None)
    ]
    stored = before.decode().splitlines() if diff.request.purpose.from_record else []
    name = next((line for line in stored if line.startswith("server ")), f"server {diff.project.server.host}")
    urls = [line for line in stored if line.startswith("url ")]
    if not diff.request.purpose.from_record:
        urls = [
            f"url {event} {url}"
            for event in SERVER_EVENTS
            if event != "certificate" or hosts
            for one in diff.project.notify
            if one.gets(event)
            for url in one.server_urls
        ]
    if not urls:
        return b""
    checked = (
        [f"host {host}" for host in hosts] if any(url.startswith("url certificate ") for url in urls) else []
    )
    jobs = [*(job.name for job in diff.project.jobs), *(backup.job for backup in diff.project.backups)]
    missed = [f"job {job}" for job in jobs] if any(url.startswith("url job_failure ") for url in urls) else []
    lines = (name, *checked, *missed, *urls)
    return "".join(f"{line}\n" for line in lines).encode()
