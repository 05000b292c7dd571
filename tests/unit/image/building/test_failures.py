"""A failed build in words: the Dockerfile's line, the cause, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.building.context import Context, ContextFile
from ftl.image.building.dockerfile import parse
from ftl.image.building.failures import build_failure
from ftl.image.building.progress import PlainProgress
from tests.unit.image.building.recordings import dockerfile, replay

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.errors import BuildFailed

BUILDERS = ("buildkit-20.10", "buildx-0.13", "classic-20.10")


def recorded(builder: str, case: str, root: Path) -> BuildFailed:
    """The error for a recorded failure."""
    progress, _ = replay(f"{builder}-failed-{case}", f"failed-{case}", failed=True)
    return build_failure(progress, dockerfile(f"failed-{case}"), Context(root), status=1)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize(
    ("case", "message", "cause", "hint"),
    [
        ("run", "Dockerfile:2: a build step failed (RUN echo one; echo two >&2; exit 3)",
         "it ended with status 3", ""),
        ("copy", "Dockerfile:2: `nothere.txt` was not found (COPY nothere.txt /)", "nothere.txt", "build context"),
        ("syntax", "Dockerfile:2: unknown instruction: RNU", "RNU x", "did you mean RUN?"),
        ("registry", "Dockerfile:1: the base image nosuch.example/x:1 cannot be pulled: its registry cannot be reached "
         "(FROM nosuch.example/x:1)", "no such host", "docker load"),
    ],
)  # fmt: skip
def test_every_builders_failure_reads_alike(
    builder: str, case: str, message: str, cause: str, hint: str, tmp_path: Path
) -> None:
    """The same mistake gets the same sentence, whichever builder met it."""
    error = recorded(builder, case, tmp_path)
    assert error.message == message
    assert cause in (error.cause or "")
    assert hint in (error.hint or "")


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_failing_steps_own_output_is_shown(builder: str, tmp_path: Path) -> None:
    """Both streams of the failing step are the error's details, and nothing else is."""
    assert sorted(recorded(builder, "run", tmp_path).details) == ["one", "two"]


@pytest.mark.parametrize("builder", ["buildkit-20.10", "buildx-0.13"])
def test_an_image_that_is_copied_from_is_named_as_a_base(builder: str, tmp_path: Path) -> None:
    """A misspelt stage in `COPY --from` is taken for an image by builders; the line shows which it is."""
    error = recorded(builder, "stage", tmp_path)
    assert error.message.startswith("Dockerfile:2: ")
    assert "(COPY --from=zzz /a /b)" in error.message


def test_a_missing_file_that_is_ignored_is_called_so(tmp_path: Path) -> None:
    """When the file is there but .dockerignore leaves it out, the hint says that."""
    (tmp_path / "nothere.txt").write_text("here after all")
    progress, _ = replay("buildkit-20.10-failed-copy", "failed-copy", failed=True)
    context = Context(tmp_path, ignore=tmp_path / ".dockerignore")
    error = build_failure(progress, dockerfile("failed-copy"), context, status=1)
    assert error.hint == "the file is there, but .dockerignore keeps it out of the build context"


def test_a_misspelt_file_gets_a_suggestion(tmp_path: Path) -> None:
    """A file with nearly that name in the context is what was meant."""
    progress, _ = replay("buildkit-20.10-failed-copy", "failed-copy", failed=True)
    context = Context(tmp_path, files={"not-here.txt": ContextFile(1, 1, 0o644)})
    error = build_failure(progress, dockerfile("failed-copy"), context, status=1)
    assert error.hint == "did you mean `not-here.txt`?"


def told(lines: str, source: str, tmp_path: Path, target: str | None = None) -> BuildFailed:
    """The error for lines of BuildKit."""
    progress = PlainProgress("web", parse(source))
    for line in lines.splitlines():
        progress.feed(line)
    return build_failure(progress, parse(source), Context(tmp_path), status=1, target=target)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            'process "/bin/sh -c make" did not complete successfully: exit code: 127',
            "a build step failed",
            "not found",
        ),
        (
            'process "/bin/sh -c make" did not complete successfully: exit code: 137',
            "a build step failed",
            "memory",
        ),
        ("executor failed running [/bin/sh -c make]: exit code: 126", "a build step failed", "chmod"),
        ("secret npm not found: not found", "the build asks for the secret `npm`", "id=npm,env=VARIABLE"),
        ('secret "npm": not found', "the build asks for the secret `npm`", "build.secrets"),
        (
            "failed to copy files: write /x: no space left on device",
            "the disk of the Docker engine is full",
            "prune",
        ),
        (
            "fork/exec /bin/sh: exec format error",
            "the image's programs are for another kind of processor",
            "platform",
        ),
        ("something new", "the build failed", ""),
    ],
)
def test_a_failing_command_is_explained(words: str, message: str, hint: str, tmp_path: Path) -> None:
    """What the builder says about a step is turned into a sentence and, where one is known, advice."""
    error = told(f"#5 [2/2] RUN make\n#5 ERROR: {words}\n", "FROM x\nRUN make\n", tmp_path)
    assert message in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pull access denied, repository does not exist or may require authorization", "needs a login"),
        ("failed to authorize: 401 Unauthorized", "needs a login"),
        ("docker.io/library/x:1: not found", "the base image x:1 does not exist"),
        ("no match for platform in manifest sha256:abc: not found", "does not exist for this platform"),
        ("dial tcp 192.0.2.1:443: i/o timeout", "registry cannot be reached"),
        ("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", "rate limit"),
    ],
)
def test_a_base_image_that_cannot_be_had_says_why(words: str, message: str, tmp_path: Path) -> None:
    """Missing, private, for another platform, unreachable: each is another thing to do."""
    error = told(
        f"#3 [internal] load metadata for docker.io/library/x:1\n#3 ERROR: {words}\n",
        "FROM x:1\nRUN a\n",
        tmp_path,
    )
    assert message in error.message
    assert error.message.startswith("Dockerfile:1: ")
    assert error.message.endswith("(FROM x:1)")
    assert error.hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
         "no Docker engine answers"),
        ("failed to dial gRPC: cannot connect to the Docker daemon. Is 'docker daemon' running on this host?",
         "no Docker engine answers"),
        ("ERROR: permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
         'Head "http://%2Fvar%2Frun%2Fdocker.sock/_ping": dial unix /var/run/docker.sock: connect: permission denied',
         "the Docker engine refuses us"),
        ("Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44",
         "the docker CLI is too old"),
    ],
)  # fmt: skip
def test_an_engine_that_does_not_answer_is_no_build_error(line: str, message: str, tmp_path: Path) -> None:
    """Without an engine the Dockerfile is not blamed."""
    error = told(line, "FROM x\n", tmp_path)
    assert error.message.startswith(message)
    assert "Dockerfile" not in error.message
    assert error.hint


def test_what_a_step_prints_blames_no_engine(tmp_path: Path) -> None:
    """A test suite that fails to reach a Docker of its own is a failing step like any other."""
    said = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
    error = told(
        f"#5 [2/2] RUN make\n#5 0.1 {said}\n"
        '#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 1\n'
        f"------\n > [2/2] RUN make:\n0.1 {said}\n------\n",
        "FROM x\nRUN make\n",
        tmp_path,
    )
    assert error.message == "Dockerfile:2: a build step failed (RUN make)"
    assert error.details == (said,)


def test_a_step_that_trusts_nobody_is_told_how_to(tmp_path: Path) -> None:
    """Behind a company's proxy pip says much of retries; what helps is the certificates that this machine trusts."""
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain"
    error = told(
        f"#5 [2/2] RUN pip install six\n#5 0.1 {said}\n#5 0.2 ERROR: No matching distribution found for six\n"
        '#5 ERROR: process "/bin/sh -c pip" did not complete successfully: exit code: 1\n'
        f"------\n > [2/2] RUN pip install six:\n0.1 {said}\n------\n",
        "FROM x\nRUN pip install six\n",
        tmp_path,
    )
    assert "--mount=type=secret,id=ca" in (error.hint or "")


def test_the_syntax_images_registry_is_not_the_bases(tmp_path: Path) -> None:
    """A `# syntax=` line needs an image of its own, which most Dockerfiles can do without."""
    error = told(
        "#3 resolve image config for docker-image://docker.io/docker/dockerfile:1\n#3 ERROR: no such host\n",
        "# syntax=docker/dockerfile:1\nFROM x\n",
        tmp_path,
    )
    assert error.message == "the Dockerfile's syntax image docker/dockerfile:1 cannot be pulled"
    assert "# syntax=" in (error.hint or "")


def test_a_target_that_does_not_exist_names_the_stages(tmp_path: Path) -> None:
    """`build.target` is checked by the builder; the answer lists what there is."""
    error = told(
        "ERROR: failed to solve: target stage nope could not be found",
        "FROM x AS one\nFROM y AS two\n",
        tmp_path,
        target="nope",
    )
    assert (error.message, error.hint) == ("Dockerfile has no stage `nope`", "its stages are one, two")


def test_a_newer_builders_excerpt_does_not_hide_its_words(tmp_path: Path) -> None:
    """Newer builders repeat the output and quote the Dockerfile below it; the sentence at the end counts."""
    error = told(
        "------\n > [2/2] COPY a b:\n------\nDockerfile:2\n--------------------\n   1 |     FROM x\n"
        "   2 | >>> COPY a b\n--------------------\nERROR: failed to build: failed to solve: "
        "failed to compute cache key: failed to calculate checksum of ref 7rw::5y9: "
        '"/a": not found\n\nView build details: docker-desktop://dashboard/build/x\n',
        "FROM x\nCOPY a b\n",
        tmp_path,
    )
    assert error.cause == '"/a": not found'
