"""Keys of which only one may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.config.conftest import HEAD

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

BASE = HEAD + "server: local\nservices:\n- name: web\n  port: 80\n"


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ("secrets:\n  A:\n    command: x\n    env: Y\n", 12, "secrets: command and env are both given"),
        (
            "secrets:\n  A:\n    age: x\n    format: json\n    file: y\n",
            13,
            "secrets: age and file are both given",
        ),
        (
            "registries:\n- server: ghcr.io\n  token: x\n  command: y\n",
            12,
            "registries: token and command are both given",
        ),
        (
            "  build:\n    platforms: [linux/amd64]\n    platform: linux/amd64\n  image: a/b\n",
            11,
            "build: platforms and platform",
        ),
        (
            "  build:\n    secrets:\n    - id: x\n      env: PATH\n      file: Dockerfile\n",
            13,
            "secrets: env and file are both given",
        ),
        (
            "  files:\n  - path: /a\n    source: Dockerfile\n    content: x\n",
            12,
            "files: source and content are both given",
        ),
        (
            "  ulimits: {nofile: 1}\n  container: {ulimits: {nofile: 2}}\n",
            9,
            "ulimits are given here and below container",
        ),
        ("  path: src\n  build: src\n", 9, "path and build are both given"),
        ("servers: [a, b]\n", 9, "server and servers are both given"),
    ],
)
def test_the_second_of_two_is_a_mistake(refused: Refuse, lines: str, line: int, message: str) -> None:
    """Which one counts would not be seen in the file."""
    problems = refused(BASE + lines, PATH="/usr/bin")
    assert [(problem.line, message in problem.message) for problem in problems] == [(line, True)]


def test_what_ftl_config_prints_has_both_keys(loaded: Load) -> None:
    """A key without a value, and an empty list, are not given."""
    build = loaded(BASE + "  build: {platform: linux/amd64, platforms: []}\n").services[0].build
    assert build is not None
    assert build.platform == "linux/amd64"
