"""Images of a rollback: found here by their content, and compared once they are built again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.engine import labels
from ftl.image.identity import content_id
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.images import with_content
from ftl.operations.changes.rollback.rollback import plan_rollback
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import project
from tests.unit.operations.changes.rollback.rollback_world import ME, REQUEST, image, on_server, released

if TYPE_CHECKING:
    from ftl.engine.api import Engine


def built_for(project: str) -> dict[str, object]:
    """The config of an image that was built for a project."""
    return {"Cmd": ["run"], "Labels": {labels.PROJECT: project}}


@pytest.mark.parametrize("tag", ["shop-web:r1", "shop-web:latest", "shop-web:r7", "other/name:1"])
def test_an_image_is_found_here_by_its_content(tag: str) -> None:
    """Somebody else may have deployed r1, and this machine has built the same under another tag."""
    engine = FakeEngine()
    wanted = engine.add_image(tag, layers=("sha256:a",), config=built_for("shop"))
    engine.add_image("shop-web:r2", layers=("sha256:b",), config=built_for("shop"))
    contents = {"web": content_id(wanted), "api": "sha256:none"}
    found = asyncio.run(with_content(cast("Engine", engine), "shop", contents))
    assert found == {"web": BuiltImage(wanted.id, contents["web"])}


def test_an_image_of_another_project_is_not_taken() -> None:
    """Its label would make it the other's on the server: removed with that, and unknown to ours."""
    engine = FakeEngine()
    other = engine.add_image("blog-web:r1", layers=("sha256:a",), config=built_for("blog"))
    found = asyncio.run(with_content(cast("Engine", engine), "shop", {"web": content_id(other)}))
    assert found == {}


@pytest.mark.parametrize(("content", "differs"), [("content-r1", False), ("content-other", True)])
def test_a_build_that_has_become_something_else_is_noted(content: str, differs: bool) -> None:
    """Its base image has moved: the release is not what its record says."""
    asked = project()
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), images=(image("r2"),))
    local = {"web": BuiltImage("sha256:again", content)}
    made = plan_rollback(REQUEST, choose(observed, "r1"), ME, local, observed)
    told = [
        note
        for note in made.notes
        if note.startswith("web was built again, and its content is not what r1 ran")
    ]
    assert bool(told) == differs
