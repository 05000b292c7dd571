"""`ftl init --from` with files that cannot be taken over, or not as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.errors import ConfigError, FtlError
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b", "is not a Compose file"),
        ("- a", "it has no services|not a Compose file"),
        ("services: {}", "there are no services"),
        ("services: []", "it has no services"),
        ("services: {db: {image: 'postgres:16'}}", "none of its services is an app"),
        ("services: {a: {extends: b}, b: {extends: a}}", "extends is circular: a -> b -> a"),
        ("services: {a: {extends: {service: x}}}", "there is no service x"),
        ("services: {a: {extends: b}, b: {extends: c}, c: {extends: a}}", "circular: a -> b -> c -> a"),
        ("services: {a: {extends: {service: x, file: no.yaml}}}", "extends: there is no file .*no.yaml"),
        ("include: [no.yaml]\nservices: {a: {image: x}}", "include: there is no file .*no.yaml"),
        ("services: {a: {image: x}}\n---\nservices: {}", "a second YAML document"),
        ("services:\n  a:\n\timage: x", "a tab cannot indent"),
        ("services: {a: &a {image: x, b: *a}}", r"the alias \*a is inside"),
        ("", "the file is empty"),
        ("services: {a: {image: x, ports: !other []}}", "tag !other is not supported"),
        ("services: [", "not valid YAML"),
        ("include: [compose.yaml]\nservices: {a: {image: x}}", "includes itself"),
    ],
)
def test_bad_input(tmp_path: Path, text: str, message: str) -> None:
    """A file that cannot be taken over gets a sentence with its place."""
    with pytest.raises(FtlError, match=message):
        taken(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x7fELF\x00\xff", "not UTF-8 text"),
        (b"a,b\n1,2\n", "it must begin with `services:`"),
        (b"web: {image: x}\n", "write `services:` above them"),
        (b"kind: Deployment\n", "--from takes a Compose file"),
    ],
)
def test_what_is_no_compose_file_gets_a_next_step(tmp_path: Path, content: bytes, words: str) -> None:
    """A program, a table, a file of Compose's first version, one for Kubernetes: refused with a reason or a hint."""
    file = tmp_path / "compose.yaml"
    file.write_bytes(content)
    with pytest.raises(FtlError) as caught:
        take_over([file], tmp_path, {})
    error = caught.value
    hints = [problem.hint for problem in error.problems] if isinstance(error, ConfigError) else []
    assert words in f"{error.cause} {error.hint} {hints}"


def test_values_of_another_form_are_not_guessed(tmp_path: Path) -> None:
    """A list where Compose has a mapping, and the like, needs the user, and nothing of it is written."""
    text = """
services:
  web: [a]
  b: {image: x, ports: {a: b}, environment: [1, {a: b}], volumes: [[a]], depends_on: 5, healthcheck: 5, deploy: [1],
      command: {a: b}, labels: 7, env_file: {a: b}}
"""
    project, report = taken(tmp_path, text)
    wrong = ("ports", "depends_on", "healthcheck", "deploy", "command", "labels", "env_file", "volumes[0]")
    found = verdicts(report)
    assert {found[f"services.b.{key}"] for key in wrong} == {Verdict.NEEDS_YOU}
    assert found["services.web"] is Verdict.NEEDS_YOU
    assert service(project, "b").env == {}
    assert found["services.b.environment[1]"] is Verdict.NEEDS_YOU


def test_files_that_ftl_does_not_know(tmp_path: Path) -> None:
    """Any other file is refused, with a list of those that can be taken over."""
    put_files(tmp_path, {"x.ini": ""})
    for name, message in (("x.ini", "is not a file that FTL can take over"), ("no.yaml", "there is no file")):
        with pytest.raises(FtlError, match=message) as caught:
            take_over([tmp_path / name], tmp_path, {})
        assert "Kamal" in (caught.value.hint or "")


def test_an_app_whose_profile_is_not_active(tmp_path: Path) -> None:
    """The error asked to write the app, which is there."""
    text = "services: {app: {image: x, profiles: [prod]}, db: {image: postgres}}"
    with pytest.raises(ConfigError) as error:
        taken(tmp_path, text)
    assert "COMPOSE_PROFILES=prod" in (error.value.problems[0].hint or "")
