"""The archive from which a server that was away takes over what is live."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace

from ftl.proxy.configuration.caddy import render
from ftl.proxy.live_state import at_other_server, at_server, live_archive
from ftl.proxy.site import Site, SiteRoute
from ftl.proxy.state import ProxyState

SITE = Site("shop", ("10.0.0.0/24",), routes=(SiteRoute("shop.example.com", "/", False, "web", 8000),))


def test_the_archive_has_what_each_proxy_needs() -> None:
    """Live files of this project, a site and a configuration for each server, and the authority's root."""
    site = replace(SITE, tls="auto", acme_ca="https://ca.example/dir", acme_root="PEM")
    other = replace(SITE, project="blog", routes=())
    live = {("shop", "web"): "r2-web", ("blog", "web"): "r9-web"}
    state = ProxyState("p", True, "i", sites={"shop": site, "blog": other}, live=live)
    packed = live_archive(state, "shop", ("a", "b"), "a")
    assert packed is not None
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}  # type: ignore[union-attr]
    (authority,) = (name for name in files if name.startswith("data/ftl/authorities/"))
    assert files.pop(authority) == b"PEM"
    each = {
        f"{host}/{name}": content
        for host in "ab"
        for name, content in (
            ("site.json", at_server(site, host, "a").to_json().encode()),
            ("caddy.json", render((at_server(site, host, "a"),))),
        )
    }
    assert files == {
        **each,
        "live": b"shop.web=r2-web\n",
        "issuer": b"a\n",
        "certificates": b"ca.example-dir/shop.example.com\n",
    }
    assert live_archive(state, "gone", ("a",), "a") is None


def test_a_service_that_is_about_to_go_is_not_in_the_archive() -> None:
    """A server that catches up with it would bring its live file back."""
    live = {("shop", "web"): "r2-web", ("shop", "api"): "r1-api"}
    state = ProxyState("p", True, "i", sites={"shop": SITE}, live=live)
    packed = live_archive(state, "shop", ("a",), "a", gone=("api",))
    assert packed is not None
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as tar:
        content = tar.extractfile("live")
        assert content is not None
        assert content.read() == b"shop.web=r2-web\n"


def test_an_alias_in_another_project_is_by_its_own_name_of_the_server() -> None:
    """Each project has its own file, and a name of its own for the server in it."""
    blog = replace(SITE, project="blog")
    assert at_other_server(at_server(blog, "x", "a"), "y") == at_server(blog, "y", "a")
