"""`build.on` and `build.cache`: where images are built, and with which caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Build, Project
from tests.unit.config.conftest import HEAD

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

SERVICE = HEAD + "services:\n  - {name: web, port: 8000, build: %s}\n"


@pytest.mark.parametrize(
    ("build", "place"),
    [
        (".", ""),
        ("{on: local}", ""),
        ("{on: server}", "server"),
        ("{on: builder.example.com}", "builder.example.com"),
        ("{on: '[2001:db8::1]'}", "[2001:db8::1]"),
    ],
)
def test_a_build_is_on_this_machine_the_server_or_a_host(loaded: Load, build: str, place: str) -> None:
    """`local` is this machine, as in `server`: an environment can take the build back to it."""
    section = loaded(SERVICE % build).services[0].build
    assert section is not None
    assert section.place == place


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("{on: 'ops@builder'}", "not a host"),
        ("{on: '-oProxyCommand=x'}", "not a host"),
        ("{cache: [type=gha]}", "not a build cache"),
        ("{cache: ['registry.example.com/cache:web']}", "has a tag"),
        ("{cache: [Registry.example.com/Cache]}", "not an image reference"),
    ],
)
def test_other_places_and_caches_are_refused(refused: Refuse, build: str, words: str) -> None:
    """At their line, with what to write."""
    (problem,) = refused(SERVICE % build)
    assert words in problem.message
    assert problem.line == 6


def test_a_user_of_a_builder_belongs_to_ssh(refused: Refuse) -> None:
    """`server.host` has `user` and `port` beside it; `build.on` has not."""
    (problem,) = refused(SERVICE % "{on: 'ops@builder'}")
    assert "~/.ssh/config" in (problem.hint or "")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("{platforms: [linux/amd64, linux/arm64]}", "there is no image"),
        ("{platforms: [linux/amd64], platform: linux/amd64}, image: registry.example.com/web", "both"),
        ("{platforms: [amd46]}, image: registry.example.com/web", "is not a platform"),
    ],
)
def test_several_platforms_need_a_registry(refused: Refuse, build: str, words: str) -> None:
    """What is sent over SSH is for the server alone."""
    (problem,) = refused(SERVICE % build)
    assert words in problem.message
    assert problem.line == 6


def test_an_image_in_a_registry_may_be_for_several_platforms(loaded: Load) -> None:
    """In their order."""
    text = SERVICE % "{platforms: [linux/amd64, linux/arm64]}, image: registry.example.com/web"
    section = loaded(text).services[0].build
    assert section is not None
    assert section.platforms == ("linux/amd64", "linux/arm64")


@pytest.mark.parametrize("build", ["{cache: gha}", "{cache: [gha]}"])
def test_one_cache_may_be_a_single_value(loaded: Load, build: str) -> None:
    """As elsewhere in the file."""
    section = loaded(SERVICE % build).services[0].build
    assert section is not None
    assert section.cache == ("gha",)


def test_records_of_older_releases_have_neither(loaded: Load) -> None:
    """A record is read with what it has, and with all that this version writes."""
    project = loaded(SERVICE % "{on: server, cache: [./cache, 'localhost:5000/cache']}")
    assert Project.from_dict(project.to_dict()).services[0].build == project.services[0].build
    assert Build.from_dict({"context": "."}) == Build()
