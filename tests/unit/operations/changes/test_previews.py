"""Previews: what one must not share with other environments, their list, their DNS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import ProjectInfo, Redirect, Route
from ftl.config.models.proxy import Proxy
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import UsageError
from ftl.operations.changes.preview import note_missing_dns, note_shared_folders, refuse_shared_identity
from ftl.operations.views.previews import read_previews
from ftl.releases.preview import FILE, Preview, parse_preview
from ftl.releases.store import ensure_store, read_history, write_preview
from ftl.server.doctor.checks.dns import Lookup
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import project, service

SHOP = project()
MINE = replace(
    SHOP,
    project=ProjectInfo(name="shop-pr-7", domain="pr-7.example.com"),
    environment="pr-7",
    preview_of="shop",
)
PREVIEW = Preview(2_000_000_000, 1_900_000_000.0, "pr-7", "shop", "https://pr-7.example.com", "me@here")


def test_a_preview_has_a_name_of_its_own() -> None:
    """One that `project.name` of the overlay fixes would be that of all previews, or the project itself."""
    refuse_shared_identity(MINE, {"ftl.yaml": SHOP})
    with pytest.raises(UsageError, match=r"deployed as shop, which is the name of the project in ftl\.yaml"):
        refuse_shared_identity(replace(MINE, project=ProjectInfo(name="shop", domain="x.example.com")), {})
    staging = replace(SHOP, project=ProjectInfo(name="shop-pr-7", domain="staging.example.com"))
    with pytest.raises(UsageError, match=r"in ftl\.staging\.yaml"):
        refuse_shared_identity(MINE, {"ftl.staging.yaml": staging})


def test_a_preview_has_a_domain_of_its_own() -> None:
    """Whether the other environment could be read whole, or only its name and domain."""
    same = replace(MINE, project=ProjectInfo(name="shop-pr-7", domain="Shop.example.com"))
    for other in (SHOP, replace(SHOP, services=())):
        with pytest.raises(
            UsageError, match=r"answer to shop\.example\.com, as the project of ftl\.yaml"
        ) as caught:
            refuse_shared_identity(same, {"ftl.yaml": other})
        assert "${FTL_ENV}" in (caught.value.hint or "")


def test_hosts_of_routes_and_redirects_count_as_well() -> None:
    """The hint names the routes where the domain is another one already."""
    route = service(routes=(Route(path="/", host="api.example.com"),))
    shop = replace(SHOP, services=(route,))
    with pytest.raises(UsageError, match=r"api\.example\.com") as caught:
        refuse_shared_identity(replace(MINE, services=(route,)), {"ftl.yaml": shop})
    assert "routes with a `host`" in (caught.value.hint or "")
    redirecting = replace(
        SHOP, proxy=Proxy(redirects=(Redirect(host="pr-7.example.com", to="shop.example.com"),))
    )
    with pytest.raises(UsageError, match=r"pr-7\.example\.com"):
        refuse_shared_identity(MINE, {"ftl.yaml": redirecting})


def test_a_preview_does_not_answer_to_any_host() -> None:
    """It would take requests that are meant for others."""
    with pytest.raises(UsageError, match="any host name"):
        refuse_shared_identity(replace(MINE, project=ProjectInfo(name="shop-pr-7")), {"ftl.yaml": SHOP})


def test_a_domain_without_dns_is_noted() -> None:
    """The preview is deployed all the same."""

    async def unknown(_: str) -> Lookup:
        return Lookup(error="unknown")

    notes: list[str] = []
    emit = lambda event: notes.append(f"{event.text}; {event.hint}")  # noqa: E731
    run(note_missing_dns(MINE, emit, unknown))
    assert len(notes) == 1
    assert "pr-7.example.com has no DNS record" in notes[0]
    assert "*.example.com that points to server" in notes[0]


def test_folders_that_others_use_are_noted() -> None:
    """Data in a folder of the server is not the preview's own; read-only mounts and volumes are safe."""
    mine = replace(
        MINE, services=(service(volumes=("/srv/files:/f", "/srv/maps:/m:ro", "data:/d", "/srv/own:/o")),)
    )
    shop = replace(SHOP, services=(service(volumes=("/srv/files:/f:ro", "/srv/maps:/m", "data:/d")),))
    notes: list[str] = []
    note_shared_folders(mine, {"ftl.yaml": shop}, lambda event: notes.append(event.text))  # type: ignore[attr-defined]
    assert notes == ["the preview writes to /srv/files of server, as the project of ftl.yaml may"]


def test_previews_are_listed_by_the_project_that_they_are_of() -> None:
    """Those of other projects, and projects that are none, are left out; so is one that has ended."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2", "web"])
        await ensure_store(engine, "caddy:2")
        for name in ("shop-pr-7", "shop-pr-8", "shop", "blog-x"):
            inherited = {labels.PROJECT: name, labels.SERVICE: "web"}
            spec = ContainerSpec("web", labels={**inherited, labels.ROLE: labels.ROLE_SERVICE})
            await engine.start(await engine.create(f"{name}-web", spec))
            # By hand, from an image of the preview.
            await engine.start(await engine.create(f"{name}-mine", ContainerSpec("web", labels=inherited)))
        await write_preview(engine, "shop-pr-7", PREVIEW)
        await write_preview(engine, "shop-pr-8", PREVIEW)
        await write_preview(engine, "shop-pr-8", None)
        await write_preview(engine, "blog-x", replace(PREVIEW, of="blog"))
        await engine.create_network("ftl-p-shop-gone", labels={labels.PROJECT: "shop-gone"})
        await write_preview(engine, "shop-gone", replace(PREVIEW, name="gone", url=""))
        found = await read_previews(engine, "shop")
        assert [(one.project, one.running) for one in found] == [("shop-gone", 0), ("shop-pr-7", 1)]
        assert found[1].fields() == {
            "name": "pr-7",
            "project": "shop-pr-7",
            "url": "https://pr-7.example.com",
            "since": "2030-03-17T17:46:40Z",
            "until": "2033-05-18T03:33:20Z",
            "by": "me@here",
            "running": 1,
        }
        assert found[0].fields()["url"] is None
        assert (await read_history(engine, "shop-pr-7")).preview == PREVIEW

    run(work())


def test_the_stored_form_is_fixed() -> None:
    """The server's script reads its first value; what cannot be read is no preview."""
    assert PREVIEW.to_json().startswith(
        b'{"until": 2000000000, "since": 1900000000.0, "name": "pr-7", "of": "shop"'
    )
    assert FILE == "preview.json"
    assert parse_preview(PREVIEW.to_json()) == PREVIEW
    for broken in (b"", b"{}", b"[]", b"{", b'{"until": "x"}'):
        assert parse_preview(broken) is None
