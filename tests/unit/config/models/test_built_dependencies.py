"""Dependencies with a `build` in place of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

PROJECT = """\
project: {name: shop}
server: local
services:
  - {name: web, image: "web:1"}
dependencies:
  - name: search
"""


@pytest.mark.parametrize("build", ["src", "{context: src}"])
def test_a_dependency_may_be_built(loaded: Load, build: str) -> None:
    """Its image has the name that a build gives it, and the builder takes it like a service."""
    project = loaded(f"{PROJECT}    build: {build}\n")
    (search,) = project.dependencies
    assert (search.image, search.build and search.build.context) == ("shop-search:latest", "src")
    (built,) = project.built_dependencies
    assert (built.name, built.build) == ("search", search.build)


def test_the_printed_form_can_be_read_again(loaded: Load) -> None:
    """`ftl config` prints the image's name beside the build."""
    project = loaded(f"{PROJECT}    build: src\n    image: shop-search:latest\n")
    assert project.dependencies[0].image == "shop-search:latest"


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("", 6, "`image` of dependencies[0] is missing"),
        ("    build: src\n    image: postgres:16\n", 8, "build and image are both given"),
        ("    build: nowhere\n", 7, "there is no folder nowhere"),
        ("    build: {context: web}\n", 7, "there is no file web/Dockerfile"),
        ("    build: {context: src, secrets: [id=token]}\n", 7, "the variable token is not set"),
    ],
)
def test_a_wrong_one_is_reported_at_its_place(refused: Refuse, lines: str, line: int, words: str) -> None:
    """As for a service."""
    (problem,) = refused(PROJECT + lines)
    assert words in problem.message
    assert problem.line == line
