"""Configurations of the proxy that are made ahead: the server loads one of them by itself."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace

from ftl.proxy.configuration.caddy import render
from ftl.proxy.configuration.prepared import prepare_routes
from ftl.proxy.site import Site, SiteRoute, Transition
from ftl.proxy.state import digest

OLD = Site("shop", ("172.30.0.0/16",), (SiteRoute("shop.example.com", "/old", False, "web", 8000),))
NEW = Site("shop", ("172.30.0.0/16",), (SiteRoute("shop.example.com", "/new", False, "web", 8000),))
OTHER = Site("blog", ("172.31.0.0/16",), (SiteRoute("blog.example.com", "/", False, "web", 80),))


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        return {
            member.name: file.read()
            for member in tar.getmembers()
            if (file := tar.extractfile(member)) is not None
        }


def test_each_has_the_routes_of_one_release_and_all_other_projects() -> None:
    """As if the proxy never had had both; with the digest of what it has meanwhile."""
    both = replace(NEW, transition=Transition("web", {"web": "r1"}, {"web": "r2"}, OLD.routes))
    now = digest(render([both, OTHER]))
    prepared = prepare_routes(now, {"shop": both, "blog": OTHER}, OLD, NEW)
    assert prepared.base == now
    for archive, site in ((prepared.back, OLD), (prepared.on, NEW)):
        files = unpacked(archive)
        assert files.keys() == {"caddy.json", "site.json"}
        assert files["caddy.json"] == render([OTHER, site])
        assert Site.from_json(files["site.json"]) == site
