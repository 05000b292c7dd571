"""Track about the messages that the server sends by itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.notification import SERVER_EVENTS
from ftl.config.models.server import WEB
from ftl.deploy.plan.records.pulled import is_unclaimed, sending_images
from ftl.deploy.plan.steps.images import BringImage, ClaimImage
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.proxy.tls.policy import secured_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.notification import Notification, ServerEvent
    from ftl.deploy.observe.state import Observed, ServerView
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track
    from ftl.deploy.plan.steps.base import Step


def notifications_track(diff: Diff) -> Track:
    """Write where the server sends messages.

    With each release, since another user may have deployed the last one, whose crontab has the line; and where the
    lines changed, or a crontab that had jobs, or the line, was lost. Only ftl.yaml has the places: a rollback leaves
    them as they are, and writes of which jobs and hosts they hear by now: a line of another user's crontab may start
    what it has removed. Of several servers, the first one sends: it has the jobs. One that was the first before ends;
    while the first is down, it goes on.
    """
    return () if _stays(diff) else tuple(_steps(diff))


def ended_notifications(observed: Observed) -> Track:
    """Nothing is sent any more, by any server that answers."""
    return tuple(
        SetNotifications(observed.project, b"", servers=(server.name,))
        for server in observed.servers
        if server.notify
    )


def told_lines(diff: Diff) -> Iterator[tuple[ServerView, bytes]]:
    """Yield each server, and its lines after the plan."""
    first, by_record = diff.first_server, diff.request.purpose.from_record
    for server in diff.observed.servers:
        # A rollback cannot move what another server has.
        if _stays(diff) or (by_record and (server.name != first or not server.notify)):
            yield server, server.notify
        else:
            yield server, server_lines(diff, server.notify) if server.name == first else b""


def _stays(diff: Diff) -> bool:
    """Whether all servers keep their lines."""
    return diff.request.purpose.same_release or diff.first_server in diff.observed.down


def _steps(diff: Diff) -> Iterator[Step]:
    again = diff.makes_release or diff.observed.crontab_differs or diff.observed.check_lost
    for server, lines in told_lines(diff):
        if lines != server.notify or (lines and again and server.name == diff.first_server):
            certificates = b"\nhost " in lines
            yield SetNotifications(
                diff.project.name, lines, certificates=certificates, servers=(server.name,)
            )


def sending_images_track(diff: Diff) -> Track:
    """Bring the images in which the server sends messages.

    The last thing of a deploy: it may take as long as a pull takes, and the server pulls one that it lacks by itself
    when it sends. So a rollback leaves it to that.
    """
    return () if _stays(diff) or diff.request.purpose.from_record else tuple(_brought(diff))


def _brought(diff: Diff) -> Iterator[Step]:
    for server, lines in told_lines(diff):
        at = (server.name,)
        for image in sending_images(lines):
            if not server.has_image(image):
                yield BringImage(image, server.info.platform, sends=True, servers=at)
            elif is_unclaimed(diff.project.name, server.images, image):
                yield ClaimImage(image, servers=at)


def server_lines(diff: Diff, before: bytes) -> bytes:
    """Lines for notify.sh: the server, hosts to check, jobs, places; empty without a place.

    A rollback has the places, and the server's name, of the lines `before` it.

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
    jobs = [*(job.name for job in diff.project.jobs), *(backup.job for backup in diff.project.backups)]
    stored = before.decode().splitlines() if diff.request.purpose.from_record else []
    name = next((line for line in stored if line.startswith("server ")), f"server {diff.project.server.host}")
    places = [line for line in stored if line.startswith(("url ", "apprise "))]
    if not diff.request.purpose.from_record:
        places = [
            line
            for event in SERVER_EVENTS
            if event != "certificate" or hosts
            for one in diff.project.notify
            if one.gets(event)
            for line in _places(one, event)
        ]
    if not places:
        return b""
    told = {line.split()[1] for line in places}
    checked = [f"host {host}" for host in hosts] if "certificate" in told else []
    missed = [f"job {job}" for job in jobs] if "job_failure" in told else []
    return "".join(f"{line}\n" for line in (name, *checked, *missed, *places)).encode()


def _places(one: Notification, event: ServerEvent) -> list[str]:
    """Lines about one place: its webhooks, else its URL for apprise."""
    if one.server_urls:
        return [f"url {event} {url}" for url in one.server_urls]
    return [f"apprise {event} {one.image} {one.url}"]
