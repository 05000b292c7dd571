"""Next configurations of a proxy, for a script on the server, which cannot render them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.engine.tarball import tar_archive
from ftl.proxy.configuration.caddy import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.proxy.site import Site


@dataclass(frozen=True, slots=True)
class PreparedRoutes:
    """The next configurations while the proxy has the routes of two releases of a project.

    Each is a compressed archive of a folder for `reload.sh`.

    Attributes:
        base: Digest of the configuration with both; once it is another, the others are of no use.
        back: With the routes of the previous release.
        on: With those of the new one.
    """

    base: str
    back: bytes
    on: bytes


def prepare_routes(base: str, sites: Mapping[str, Site], back: Site, on: Site) -> PreparedRoutes:
    """Prepare configurations with either site of a project, and those of all others.

    `base` is the digest of the configuration that has `sites`.
    """
    return PreparedRoutes(base, _folder(sites, back), _folder(sites, on))


def _folder(sites: Mapping[str, Site], site: Site) -> bytes:
    after = {**sites, site.project: site}
    files = {"caddy.json": render(tuple(after.values())), "site.json": site.to_json().encode()}
    return gzip.compress(tar_archive(files), mtime=0)
