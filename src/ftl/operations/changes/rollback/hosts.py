"""Hosts of a rollback: whether the proxy's certificate covers them, and which ones change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.errors import UsageError
from ftl.proxy.names import certificate_files
from ftl.proxy.project_site import site_of
from ftl.proxy.tls.x509 import read_pem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine.api import Engine
    from ftl.proxy.tls.x509 import X509Certificate
    from ftl.releases.record import ReleaseRecord


async def stored_certificate(engine: Engine, observed: Observed) -> X509Certificate | None:
    """The proxy's copy of the user's certificate, without its key; None if there is none."""
    site, proxy = observed.site, observed.proxy
    if site is None or site.certificate is None or proxy is None:
        return None
    chain, _ = certificate_files(site.certificate)
    files = await engine.get_archive(proxy.container, chain) or {}
    try:
        return read_pem(b"".join(files.values()).decode("ascii", "replace"))
    except ValueError:
        return None


def refuse_uncovered(project: Project, restored: ReleaseRecord, certificate: X509Certificate | None) -> None:
    """Refuse hosts that the user's certificate does not cover, as a deploy does.

    Raises:
        UsageError: Visitors of one would get an error of their browser.
    """
    if certificate is None:
        return
    uncovered = [host for host in site_of(project).hosts if not certificate.covers(host)]
    if uncovered:
        commit = (restored.commit or "").removesuffix("-dirty")[:12]
        way_out = f"`git checkout {commit or 'COMMIT'}` and {ftl('deploy')} with one that does"
        raise UsageError(
            f"{restored.release} cannot be restored: the proxy's certificate does not cover {', '.join(uncovered)}",
            cause=f"it covers {', '.join(certificate.names) or 'no host'}; a rollback leaves certificates as they are",
            hint=f"{way_out}, or go back to another release",
        )


def host_notes(project: Project, restored: ReleaseRecord, observed: Observed) -> Iterator[str]:
    """Hosts that are answered before the rollback or after it alone."""
    before = set(observed.site.hosts) if observed.site is not None else set()
    after = set(site_of(project).hosts)
    if before and before != after:
        lost = f", and no longer {', '.join(sorted(before - after))}" if before - after else ""
        hosts = ", ".join(sorted(after)) or "no host"
        yield f"{restored.release} serves {hosts}{lost}: their DNS records must point to the server"
