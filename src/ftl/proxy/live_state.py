"""Live state: a project's site and live files, as a server that was away takes them over."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.engine.tarball import tar_archive
from ftl.proxy.configuration.caddy import render
from ftl.proxy.names import ca_root_file, live_file, proxy_alias
from ftl.proxy.site import ClusterProxy
from ftl.proxy.tls.policy import by_acme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.proxy.site import Site
    from ftl.proxy.state import ProxyState


def at_server(site: Site, host: str, issuer: str) -> Site:
    """A project's site on one server of its cluster.

    `issuer` is the server whose proxy gets certificates.
    """
    alias = proxy_alias(site.project, host)
    return replace(site, place=ClusterProxy(alias, proxy_alias(site.project, issuer)))


def live_archive(
    state: ProxyState, project: str, hosts: Sequence[str], issuer: str, *, gone: Sequence[str] = ()
) -> bytes | None:
    """Pack a proxy's part of a project for `adopt.sh` and `share.sh`; None where it has no site.

    A compressed tar archive. For each server HOST/site.json, and HOST/caddy.json of a proxy that serves this project
    alone; the live files as lines FILE=ALIAS; the server whose proxy gets certificates, and the folders of these in
    Caddy's storage; below `data` the files that the configuration names.

    `hosts` are the servers that have a proxy, also those that are away; `gone` are services whose live files are about
    to go.
    """
    site = state.site(project)
    if site is None:
        return None
    live = (
        f"{live_file(project, service).rpartition('/')[2]}={alias}\n"
        for (owner, service), alias in sorted(state.live.items())
        if owner == project and service not in gone
    )
    certificates = (f"{host.certificate_file.rpartition('/')[0]}\n" for host in by_acme([site]))
    files = {
        "live": "".join(live).encode(),
        "issuer": f"{issuer}\n".encode(),
        "certificates": "".join(certificates).encode(),
    }
    for host in hosts:
        own = at_server(site, host, issuer)
        files[f"{host}/site.json"] = own.to_json().encode()
        files[f"{host}/caddy.json"] = render((own,))
    if site.acme_root is not None:
        files[ca_root_file(site.acme_root).removeprefix("/")] = site.acme_root.encode()
    return gzip.compress(tar_archive(files, mode=0o600), mtime=0)
