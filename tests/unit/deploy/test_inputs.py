"""Inputs of a deploy from this machine."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.common import redact
from ftl.config.models.project import Build, Dependency
from ftl.deploy.inputs import author, last_build, with_built_dependencies
from ftl.deploy.plan.changes import dependency_change
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.errors import UsageError
from ftl.events import Event, Note
from ftl.image.building.diagnosis.build_record import BuildRecord, record_path, save_record
from ftl.image.identity import content_id
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import dependency, project, server

if TYPE_CHECKING:
    from pathlib import Path

ASKED = project()


def test_an_image_that_another_folder_built_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders with one `project.name` share the tag of the last build."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    engine = FakeEngine(images=["shop-web:latest"])
    events: list[Event] = []

    async def take() -> None:
        image = await engine.image("shop-web:latest")
        assert image is not None
        built = await last_build(ASKED, ASKED.services[0], engine, root=tmp_path, emit=events.append)
        assert (built.id, built.content) == (image.id, content_id(image))
        save_record(record_path(tmp_path, "web"), BuildRecord(content=content_id(image)))

    asyncio.run(take())
    asyncio.run(take())
    assert events == []
    engine.add_image("shop-web:latest", layers=("sha256:other",))
    asyncio.run(take())
    assert [isinstance(event, Note) and event.level for event in events] == ["warning"]


def test_without_a_last_build_nothing_is_taken(tmp_path: Path) -> None:
    """The error says how to make one."""
    with pytest.raises(UsageError, match="no built image of web"):
        asyncio.run(last_build(ASKED, ASKED.services[0], FakeEngine(), root=tmp_path, emit=lambda _: None))


def test_a_built_dependency_is_named_by_its_content() -> None:
    """With another content it has another image, and is replaced; with the same one it goes on."""
    asked = project(dependencies=(Dependency(name="search", image="shop-search:latest", build=Build()),))
    made = with_built_dependencies(asked, {"search": BuiltImage("sha256:1", "sha256:0123456789abcdef")})
    assert made.dependencies[0].image == "shop-search:c0123456789ab"
    observed = server(made, dependency(made, "search"))
    again = dependency_change(made, made.dependencies[0], observed)
    assert again.action == "unchanged"
    other = with_built_dependencies(asked, {"search": BuiltImage("sha256:2", "sha256:fedcba9876543210")})
    changed = dependency_change(other, other.dependencies[0], observed)
    assert changed.action == "replaced"


def test_the_commit_of_a_deploy_is_shown_though_a_secret_has_it(tmp_path: Path) -> None:
    """Before the first release is recorded, nothing else says that it is one."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.io"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    redact.redact([head[:7], "hunter22"])
    try:
        (tmp_path / "new").touch()
        assert asyncio.run(author(tmp_path)).commit == f"{head}-dirty"
        assert redact.redacted(f"{head} hunter22") == f"{head} {redact.MASK}"
    finally:
        redact.forget()
