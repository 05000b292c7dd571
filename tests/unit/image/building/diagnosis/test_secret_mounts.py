"""Build secrets: those that nothing mounts, those that a step lacks, and what to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.building.diagnosis.failures import build_failure
from ftl.image.building.diagnosis.secret_mounts import mounted_secrets, unused_secrets_note
from ftl.image.building.docker_cli.progress import PlainProgress
from ftl.image.building.inputs.context import Context
from ftl.image.building.inputs.dockerfile import parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("--mount=type=secret,id=a", ["a"]),
        ("--mount=id=a,type=secret,required=true --mount=type=cache,target=/c", ["a"]),
        ("--mount=type=secret,target=/root/.npmrc", [".npmrc"]),
        ("--mount=type=secret,dst=/x/y,id=b,env=B --mount=type=secret,id=c", ["b", "c"]),
        ("--network=none --mount=type=secret,id=a", ["a"]),
        ("--mount=type=ssh --mount=type=bind,target=.", []),
        ("echo --mount=type=secret,id=a", []),
        ("--mount=type=secret,source=a,id=b,target=/x", ["a"]),
        ("--mount=type=secret,src=a,target=/x/y", ["a"]),
        ("--mount=Type=SECRET,ID=a", ["a"]),
        ("--mount='type=secret,id=a'", ["a"]),
        ('--mount="type=secret,id=a"', ["a"]),
        ('--mount=type=secret,"id=a"', ["a"]),
        ("--mount='type=secret,\"target=/x/a b\"'", ["a b"]),
        (f"--mount=type=secret,id={'a' * 200_000} --mount=type=secret,id=b", ["b"]),  # csv's limit is 131,072
    ],
)
def test_mounts_of_secrets(flags: str, names: list[str]) -> None:
    """By their ID, else by the name of the target, as BuildKit has it."""
    (_, step) = parse(f"FROM x\nRUN {flags} make\n").instructions
    assert list(mounted_secrets(step)) == names


MOUNTING = "FROM x\nRUN --mount=type=secret,id=NPM_TOKEN npm ci\n"


@pytest.mark.parametrize(
    ("source", "given", "text", "hint"),
    [
        (MOUNTING, ["NPM_TOKEN"], None, ""),
        (MOUNTING, [], None, ""),
        (MOUNTING, ["NPM_TOKEN", "GIT_AUTH_TOKEN", "GIT_AUTH_HEADER.example.com"], None, ""),
        ("FROM x\nONBUILD RUN --mount=type=secret,id=a make\n", ["a"], None, ""),
        ("ARG S=a\nFROM x\nRUN --mount=type=secret,id=$S make\n", ["a"], None, ""),
        (
            "FROM x\nRUN make\n",
            ["a"],
            "mounts the build secret a",
            "`RUN --mount=type=secret,id=a ...` where it is read",
        ),
        ("FROM x\n", ["a", "b"], "mounts the build secrets a, b", "/run/secrets/a; else take it out"),
        (
            MOUNTING,
            ["npm_token"],
            "mounts the build secret npm_token",
            "it mounts `NPM_TOKEN`, if that is meant: write it into `build.secrets`",
        ),
    ],
)
def test_a_secret_that_nothing_mounts(source: str, given: list[str], text: str | None, hint: str) -> None:
    """It is passed to the build, and no step can read it: a typing error, or a forgotten line."""
    note = unused_secrets_note("web", parse(source), given)
    assert (note is None) == (text is None)
    assert note is None or (text is not None and text in note.text and hint in (note.hint or ""))


@pytest.mark.parametrize(
    ("name", "given", "hint"),
    [
        (
            "NPM_TOKEN",
            [],
            "write it into `build.secrets` of ftl.yaml, `[NPM_TOKEN]`, and `NPM_TOKEN=VALUE` into .env",
        ),
        ("npmrc", [], '`["id=npmrc,src=FILE"]`'),
        ("NPM_TOKEN", ["NPM_TOKEN"], "status 127"),
        ("$S", [], "status 127"),
    ],
)
def test_a_step_that_fails_without_its_secret(name: str, given: list[str], hint: str, tmp_path: Path) -> None:
    """BuildKit mounts nothing then, and the step ends with an error about a file: the hint says what to write."""
    source = f"FROM x\nRUN --mount=type=secret,id={name} make\n"
    progress = PlainProgress("web", parse(source))
    for line in (
        f"#5 [2/2] RUN --mount=type=secret,id={name} make",
        f"#5 0.1 cat: can't open '/run/secrets/{name}': No such file or directory",
        '#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 127',
    ):
        progress.feed(line)
    error = build_failure(progress, parse(source), Context(tmp_path), status=1, secrets=given)
    assert hint in (error.hint or "")


@pytest.mark.parametrize(("code", "hint"), [(137, "memory ran out"), (127, "not found"), (1, "`sentry`")])
def test_an_optional_secret_hides_no_other_reason(code: int, hint: str, tmp_path: Path) -> None:
    """A step that was killed is no step without its secret, unless its output names the file."""
    source = parse("FROM x\nRUN --mount=type=secret,id=sentry make\n")
    progress = PlainProgress("web", source)
    for line in (
        "#5 [2/2] RUN --mount=type=secret,id=sentry make",
        "#5 0.1 stopped",
        f'#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: {code}',
    ):
        progress.feed(line)
    error = build_failure(progress, source, Context(tmp_path), status=1, secrets=())
    assert hint in (error.hint or "")
