"""Catch-up of a proxy: the script, in a folder that stands for its volumes."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.proxy import commands
from ftl.proxy.configuration.caddy import render
from ftl.proxy.live_state import at_server, live_archive
from ftl.proxy.site import Site, SiteRoute
from ftl.proxy.state import ProxyState
from tests.unit.host.scripts.programs import put_programs
from tests.unit.proxy.test_share_script import PROGRAM, SYNC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HERE = "c"


def site(project: str, path: str = "/", certificate: str | None = None) -> Site:
    """A project's site on this server; another one gets its certificates."""
    routes = (SiteRoute(f"{project}.example.com", path, False, "web", 8000),)
    made = Site(project, ("10.0.0.0/24",), routes, tls="auto", certificate=certificate)
    return at_server(made, HERE, "a")


def digest(text: str) -> str:
    """What follow.sh says of a site."""
    return hashlib.sha256(text.encode()).hexdigest()


class Proxy:
    """A folder with the volumes of a proxy that serves these sites; live is the first release of each."""

    def __init__(self, root: Path, *sites: Site) -> None:
        self.root = root
        self.config, self.live = root / "config/ftl", root / "config/live"
        put_programs(root / "bin", {"caddy": PROGRAM, "sync": SYNC})
        for folder in (
            "data",
            "config/ftl/sites",
            "config/ftl/copies",
            "config/ftl/next",
            "config/live",
            "dev/shm",
        ):
            (root / folder).mkdir(parents=True)
        for each in sites:
            (self.config / f"sites/{each.project}.json").write_text(each.to_json())
            (self.live / f"{each.project}.web").write_text("r1")
        (self.config / "caddy.json").write_bytes(render(sites))

    def digest(self) -> str:
        """Of its configuration."""
        return digest((self.config / "caddy.json").read_text())

    def adopt(
        self, archive: bytes, published: str = "", action: str = "adopt", base: str | None = None
    ) -> int:
        """Bring it to an archive's state; `published` are the sites of others that the Swarm says are live.

        `base` is the digest of the configuration before it was asked for them.
        """
        base = self.digest() if base is None else base
        texts = commands.adoption()
        script, reload, switch = (self._here(texts[name]) for name in ("adopt", "reload", "switch"))
        argv = ["sh", "-c", script, "ftl", action, "shop", "admin", reload, switch, HERE, published, base]
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "LOG": str(self.root / "log")}
        return subprocess.run(argv, input=archive, env=environment, check=False).returncode

    def _here(self, text: str) -> str:
        return re.sub(r"(?<!\w)/(data|config|dev/shm)/", rf"{self.root}/\1/", text)

    def serves(self, *sites: Site) -> bool:
        """Whether it has these sites, and the configuration that FTL renders of them, and nothing is left over."""
        stored = {path.name: path.read_text() for path in (self.config / "sites").iterdir()}
        return (
            stored == {f"{each.project}.json": each.to_json() for each in sites}
            and (self.config / "caddy.json").read_bytes() == render(sites)
            and [*(self.config / "next").iterdir()] == []
        )


def packed(own: Site, others: Sequence[Site] = (), certificates: dict[str, bytes] | None = None) -> bytes:
    """What a deploy to the other servers says of the project, whose second release is live."""
    state = ProxyState("p", True, "i", sites={"shop": own}, live={("shop", "web"): "r2"})
    archive = live_archive(state, "shop", ("a", HERE), "a", others={HERE: others}, certificates=certificates)
    assert archive is not None
    return archive


def test_a_proxy_of_one_project_gets_its_routes_and_its_release(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And is found to have them then."""
    proxy = Proxy(tmp_path, site("shop"))
    archive = packed(site("shop", "/new"))
    assert proxy.adopt(archive, action="compare") == 1
    assert capfd.readouterr().out.split() == [proxy.digest()]
    assert proxy.serves(site("shop"))
    assert proxy.adopt(archive) == 0
    assert proxy.serves(site("shop", "/new"))
    assert (proxy.live / "shop.web").read_text() == "r2"
    assert proxy.adopt(archive, action="compare") == 0


def test_the_routes_of_other_projects_stay(tmp_path: Path) -> None:
    """The deploy has found them on the other servers, as they are here."""
    proxy = Proxy(tmp_path, site("blog"), site("shop"))
    assert proxy.adopt(packed(site("shop", "/new"), [site("blog")])) == 0
    assert proxy.serves(site("blog"), site("shop", "/new"))
    assert [(proxy.live / f"{name}.web").read_text() for name in ("blog", "shop")] == ["r1", "r2"]


@pytest.mark.parametrize("known", [True, False])
def test_routes_of_others_that_have_changed_too_are_brought_with_them(tmp_path: Path, known: bool) -> None:
    """The Swarm says that they are live; also of a project that was deployed first while this server was away."""
    proxy = Proxy(tmp_path, *([site("blog")] if known else []), site("shop"))
    changed = site("blog", "/changed")
    archive = packed(site("shop", "/new"), [changed])
    published = f"other={digest('')} blog={digest(changed.to_json())} "
    assert proxy.adopt(archive, published) == 0
    assert proxy.serves(changed, site("shop", "/new"))


@pytest.mark.parametrize("published", ["", f"blog={digest('something newer')} "])
def test_what_is_not_live_of_another_project_is_not_brought(
    tmp_path: Path, published: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A deploy of it is under way, or has been since: the release stays out of reach until its own word comes."""
    proxy = Proxy(tmp_path, site("blog"), site("shop"))
    assert proxy.adopt(packed(site("shop", "/new"), [site("blog", "/changed")]), published) == 2
    assert proxy.serves(site("blog"), site("shop"))
    assert (proxy.live / "shop.web").read_text() == "r1"
    assert "the routes of shop cannot be brought beside those of blog" in capfd.readouterr().err


def test_what_another_project_has_stored_meanwhile_stays(tmp_path: Path) -> None:
    """Its site was read of the Swarm before: its maintenance that has just begun would end here."""
    proxy = Proxy(tmp_path, site("blog"), site("shop"))
    before, published = proxy.digest(), f"blog={digest(site('blog').to_json())} "
    newer = site("blog", "/maintenance")
    (proxy.config / "sites/blog.json").write_text(newer.to_json())
    (proxy.config / "caddy.json").write_bytes(render((newer, site("shop"))))
    archive = packed(site("shop", "/new"), [site("blog")])
    assert proxy.adopt(archive, published, base=before) == 2
    assert proxy.serves(newer, site("shop"))
    assert (proxy.live / "shop.web").read_text() == "r1"


def test_a_project_that_the_others_do_not_know_keeps_its_routes(tmp_path: Path) -> None:
    """It runs on this server alone."""
    proxy = Proxy(tmp_path, site("alone"), site("blog"), site("shop"))
    for others in ([], [site("blog")]):
        assert proxy.adopt(packed(site("shop", "/new"), others)) == 2
        assert proxy.serves(site("alone"), site("blog"), site("shop"))


def test_the_users_certificate_comes_along(tmp_path: Path) -> None:
    """Caddy would refuse the configuration that names it."""
    proxy = Proxy(tmp_path, site("shop"))
    files = {f"/data/ftl/certificates/new.{kind}": kind.encode() for kind in ("crt", "key")}
    assert proxy.adopt(packed(site("shop", certificate="new"), certificates=files)) == 0
    stored = tmp_path / "data/ftl/certificates"
    assert [(stored / f"new.{kind}").read_text() for kind in ("crt", "key")] == ["crt", "key"]
    assert (stored / "new.key").stat().st_mode & 0o777 == 0o600
