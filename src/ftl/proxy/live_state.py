"""Live state: a project's site and live files, as a server that was away takes them over."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.engine.tarball import tar_archive
from ftl.proxy.configuration.caddy import render
from ftl.proxy.names import ProxyNames, ca_root_file, certificate_files, live_file, proxy_alias
from ftl.proxy.site import ClusterProxy, Site
from ftl.proxy.tls.policy import by_acme

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.proxy.state import ProxyState

_SITE = "site.json"


def at_server(site: Site, host: str, issuer: str) -> Site:
    """A project's site on one server of its cluster.

    `issuer` is the server whose proxy gets certificates.
    """
    alias = proxy_alias(site.project, host)
    return replace(site, place=ClusterProxy(alias, proxy_alias(site.project, issuer)))


def at_other_server(site: Site, host: str) -> Site:
    """A project's site at another server of its cluster than the one that has this."""
    assert site.place is not None
    return replace(site, place=replace(site.place, alias=proxy_alias(site.project, host)))


def live_archive(
    state: ProxyState,
    project: str,
    hosts: Sequence[str],
    issuer: str,
    *,
    gone: Sequence[str] = (),
    others: Mapping[str, Sequence[Site]] | None = None,
    certificates: Mapping[str, bytes] | None = None,
) -> bytes | None:
    """Pack a proxy's part of a project for `adopt.sh` and `share.sh`; None where it has no site.

    A compressed tar archive. For each server HOST/site.json, and HOST/caddy.json of a proxy that serves this project
    alone; where it serves others, too, HOST/shared.json of one that serves all of them, and below HOST/others their
    sites. The live files as lines FILE=ALIAS; the server whose proxy gets certificates, and the folders of these in
    Caddy's storage; below `data` the files that the configurations name.

    `hosts` are the servers that have a proxy, also those that are away; `gone` are services whose live files are about
    to go, `others` the sites of other projects by server; `certificates` come from `user_certificates`.
    """
    site = state.site(project)
    if site is None:
        return None
    live = (
        f"{live_file(project, service).rpartition('/')[2]}={alias}\n"
        for (owner, service), alias in sorted(state.live.items())
        if owner == project and service not in gone
    )
    issued = (f"{host.certificate_file.rpartition('/')[0]}\n" for host in by_acme([site]))
    files = {
        "live": "".join(live).encode(),
        "issuer": f"{issuer}\n".encode(),
        "certificates": "".join(issued).encode(),
    }
    named = [site]
    for host in hosts:
        own, beside = at_server(site, host, issuer), (others or {}).get(host, ())
        files[f"{host}/{_SITE}"] = own.to_json().encode()
        files[f"{host}/caddy.json"] = render((own,))
        if beside:
            files[f"{host}/shared.json"] = render((own, *beside))
            files |= {f"{host}/others/{each.project}.json": each.to_json().encode() for each in beside}
            named += beside
    roots = (site.acme_root for site in named if site.acme_root is not None)
    files |= _below_data({ca_root_file(root): root.encode() for root in roots})
    files |= _below_data(certificates or {})
    return gzip.compress(tar_archive(files, mode=0o600), mtime=0)


def _below_data(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix("/"): content for name, content in files.items()}


async def user_certificates(engine: Engine, sites: Iterable[Site]) -> dict[str, bytes]:
    """The user's certificates and keys that sites name, from a proxy: path -> content."""
    names = [name for site in sites if site.certificate for name in certificate_files(site.certificate)]
    if not names:
        return {}
    folder = names[0].rpartition("/")[0]
    found = await engine.get_archive(ProxyNames().container, folder) or {}
    above = folder.rpartition("/")[0]
    return {name: found[key] for name in names if (key := name.removeprefix(f"{above}/")) in found}


def published_site(archive: bytes) -> Site | None:
    """The site in an archive of `live_archive`, at one of its servers; None: there is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
            for one in tar:
                content = tar.extractfile(one) if one.name.endswith(f"/{_SITE}") else None
                if content is not None:
                    return Site.from_json(content.read())
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError):
        return None
    return None
