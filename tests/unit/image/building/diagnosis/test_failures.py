"""Errors of failed builds: the Dockerfile's line, the cause, and a hint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.building.diagnosis.failures import build_failure
from ftl.image.building.docker_cli.progress import PlainProgress
from ftl.image.building.inputs.context import Context, ContextFile
from ftl.image.building.inputs.dockerfile import parse
from tests.unit.image.building.recordings import dockerfile, replay

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.errors import BuildFailed

BUILDERS = ("buildkit-20.10", "buildx-0.13")


def recorded(builder: str, case: str, root: Path) -> BuildFailed:
    """The error for a recorded failure."""
    progress, _ = replay(f"{builder}-failed-{case}", f"failed-{case}")
    return build_failure(progress, dockerfile(f"failed-{case}"), Context(root), status=1)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize(
    ("case", "message", "cause", "hint"),
    [
        ("run", "Dockerfile:2: a build step failed (RUN echo one; echo two >&2; exit 3)",
         "it exited with status 3", ""),
        ("copy", "Dockerfile:2: `nothere.txt` was not found (COPY nothere.txt /)", "nothere.txt", "build context"),
        ("syntax", "Dockerfile:2: unknown instruction: RNU", "RNU x", "did you mean RUN?"),
        ("registry", "Dockerfile:1: the base image nosuch.example/x:1 cannot be pulled: its registry cannot be reached "
         "(FROM nosuch.example/x:1)", "no such host", "docker load"),
    ],
)  # fmt: skip
def test_all_builders_failures_get_the_same_message(
    builder: str, case: str, message: str, cause: str, hint: str, tmp_path: Path
) -> None:
    """The same mistake gets the same message from every builder."""
    error = recorded(builder, case, tmp_path)
    assert error.message == message
    assert cause in (error.cause or "")
    assert hint in (error.hint or "")


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_details_are_the_failing_steps_output(builder: str, tmp_path: Path) -> None:
    """The details are stdout and stderr of the failing step, and nothing else."""
    assert sorted(recorded(builder, "run", tmp_path).details) == ["one", "two"]


@pytest.mark.parametrize("builder", BUILDERS)
def test_an_image_in_copy_from_is_reported_as_a_base_image(builder: str, tmp_path: Path) -> None:
    """Builders take a misspelt stage in `COPY --from` for an image; the error shows the line."""
    error = recorded(builder, "stage", tmp_path)
    assert error.message.startswith("Dockerfile:2: ")
    assert "(COPY --from=zzz /a /b)" in error.message


def test_a_missing_file_may_be_ignored(tmp_path: Path) -> None:
    """If the file exists but .dockerignore excludes it, the hint says so."""
    (tmp_path / "nothere.txt").write_text("here after all")
    progress, _ = replay("buildkit-20.10-failed-copy", "failed-copy")
    context = Context(tmp_path, ignore=tmp_path / ".dockerignore")
    error = build_failure(progress, dockerfile("failed-copy"), context, status=1)
    assert error.hint == "the file exists, but .dockerignore excludes it from the build context"


def test_a_misspelt_file_gets_a_suggestion(tmp_path: Path) -> None:
    """The hint suggests a file of the context with a similar name."""
    progress, _ = replay("buildkit-20.10-failed-copy", "failed-copy")
    context = Context(tmp_path, files={"not-here.txt": ContextFile(1, 1, 0o644)})
    error = build_failure(progress, dockerfile("failed-copy"), context, status=1)
    assert error.hint == "did you mean `not-here.txt`?"


def error_for(lines: str, source: str, tmp_path: Path, target: str | None = None) -> BuildFailed:
    """The error for output of BuildKit."""
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
        ("secret npm not found: not found", "the build needs the secret `npm`", "id=npm,env=VARIABLE"),
        ('secret "npm": not found', "the build needs the secret `npm`", "build.secrets"),
        (
            "failed to copy files: write /x: no space left on device",
            "the disk of the Docker engine is full",
            "prune",
        ),
        (
            "fork/exec /bin/sh: exec format error",
            "the image's programs are for another CPU architecture",
            "platform",
        ),
        (
            "docker exporter does not currently support exporting manifest lists",
            "the engine cannot keep an image for several platforms",
            "containerd",
        ),
        ("something new", "the build failed", ""),
    ],
)
def test_a_failing_step_gets_a_message_and_a_hint(
    words: str, message: str, hint: str, tmp_path: Path
) -> None:
    """The builder's message about a step becomes a message and, for known failures, a hint."""
    error = error_for(f"#5 [2/2] RUN make\n#5 ERROR: {words}\n", "FROM x\nRUN make\n", tmp_path)
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
def test_a_base_image_that_cannot_be_pulled_says_why(words: str, message: str, tmp_path: Path) -> None:
    """Missing, private, for another platform, unreachable: each has its own message and hint."""
    error = error_for(
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
         "no permission to use the Docker engine"),
        ("Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44",
         "the docker CLI is too old"),
    ],
)  # fmt: skip
def test_an_engine_error_does_not_mention_the_dockerfile(line: str, message: str, tmp_path: Path) -> None:
    """An engine that cannot be used is not the Dockerfile's fault."""
    error = error_for(line, "FROM x\n", tmp_path)
    assert error.message.startswith(message)
    assert "Dockerfile" not in error.message
    assert error.hint


@pytest.mark.parametrize(
    "line",
    [
        "npm error `npm ci` can only install packages when your package.json and package-lock.json or "
        "npm-shrinkwrap.json are in sync.",
        " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with frozen-lockfile",
        "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.",
    ],
)
def test_a_stale_lock_file_is_named(line: str, tmp_path: Path) -> None:
    """A package manager that refuses its lock file needs a new one from this machine."""
    failed = 'process "/bin/sh -c make" did not complete successfully: exit code: 1'
    output = f"#5 [2/2] RUN make\n#5 0.1 {line}\n#5 ERROR: {failed}\n"
    assert "commit the lock file" in (error_for(output, "FROM x\nRUN make\n", tmp_path).hint or "")


@pytest.mark.parametrize(
    ("line", "status"),
    [("exec /hello: exec format error", 1), ("/bin/sh: 1: /hello: Exec format error", 126)],
)
def test_a_program_for_another_processor_is_named(line: str, status: int, tmp_path: Path) -> None:
    """From runc 1.1 on it is the output of the step; a shell says it, too, and ends with 126."""
    output = (
        f"#5 [2/2] RUN /hello\n#5 0.1 {line}\n"
        f'#5 ERROR: process "/hello" did not complete successfully: exit code: {status}\n'
    )
    hint = error_for(output, "FROM x\nRUN /hello\n", tmp_path).hint or ""
    assert "for another CPU architecture" in hint
    assert "build.on: server" in hint


def test_output_of_a_step_is_not_taken_for_an_engine_error(tmp_path: Path) -> None:
    """A test suite that cannot reach a Docker of its own is a failing step like any other."""
    line = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
    error = error_for(
        f"#5 [2/2] RUN make\n#5 0.1 {line}\n"
        '#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 1\n'
        f"------\n > [2/2] RUN make:\n0.1 {line}\n------\n",
        "FROM x\nRUN make\n",
        tmp_path,
    )
    assert error.message == "Dockerfile:2: a build step failed (RUN make)"
    assert error.details == (line,)


def test_an_untrusted_certificate_has_a_hint(tmp_path: Path) -> None:
    """Behind a company's proxy pip mostly prints retries; the fix is to pass this machine's certificates."""
    line = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain"
    error = error_for(
        f"#5 [2/2] RUN pip install six\n#5 0.1 {line}\n#5 0.2 ERROR: No matching distribution found for six\n"
        '#5 ERROR: process "/bin/sh -c pip" did not complete successfully: exit code: 1\n'
        f"------\n > [2/2] RUN pip install six:\n0.1 {line}\n------\n",
        "FROM x\nRUN pip install six\n",
        tmp_path,
    )
    assert "--mount=type=secret,id=ca SSL_CERT_FILE=/run/secrets/ca uv sync" in (error.hint or "")
    assert 'build: {context: ., secrets: ["id=ca,src=' in (error.hint or "")
    assert "PIP_CERT" in (error.hint or "")


def test_a_syntax_image_that_cannot_be_pulled_is_optional(tmp_path: Path) -> None:
    """A `# syntax=` line pulls an image of its own, which most Dockerfiles do not need."""
    error = error_for(
        "#3 resolve image config for docker-image://docker.io/docker/dockerfile:1\n#3 ERROR: no such host\n",
        "# syntax=docker/dockerfile:1\nFROM x\n",
        tmp_path,
    )
    assert error.message == "the Dockerfile's syntax image docker/dockerfile:1 cannot be pulled"
    assert "# syntax=" in (error.hint or "")


def test_an_unknown_flag_may_need_a_newer_syntax(tmp_path: Path) -> None:
    """The BuildKit of CLI 20.10 does not know `COPY --link`; a newer syntax image does."""
    error = error_for(
        "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: "
        "Unknown flag: link",
        "FROM x\nCOPY --link a b\n",
        tmp_path,
    )
    assert (error.message, error.cause) == ("Dockerfile:2: Unknown flag: link", "COPY --link a b")
    assert "# syntax=docker/dockerfile:1" in (error.hint or "")


def test_a_missing_target_lists_the_stages(tmp_path: Path) -> None:
    """The builder checks `build.target`; the hint lists the stages."""
    error = error_for(
        "ERROR: failed to solve: target stage nope could not be found",
        "FROM x AS one\nFROM y AS two\n",
        tmp_path,
        target="nope",
    )
    assert (error.message, error.hint) == ("Dockerfile has no stage `nope`", "its stages are one, two")


def test_a_source_excerpt_does_not_hide_the_message(tmp_path: Path) -> None:
    """Newer builders repeat the output and quote the Dockerfile; the message is the last line."""
    error = error_for(
        "------\n > [2/2] COPY a b:\n------\nDockerfile:2\n--------------------\n   1 |     FROM x\n"
        "   2 | >>> COPY a b\n--------------------\nERROR: failed to build: failed to solve: "
        "failed to compute cache key: failed to calculate checksum of ref 7rw::5y9: "
        '"/a": not found\n\nView build details: docker-desktop://dashboard/build/x\n',
        "FROM x\nCOPY a b\n",
        tmp_path,
    )
    assert error.cause == '"/a": not found'
    assert error.message == "Dockerfile:2: `a` was not found (COPY a b)"  # the step itself was not reported


def test_a_builder_without_here_documents_is_named_as_the_cause(tmp_path: Path) -> None:
    """An old builder takes a line of the document for an instruction; the hint is not a similar instruction."""
    source = parse("FROM x\nRUN <<EOF\nmkdir /a\nEOF\n")
    progress = PlainProgress("web", source)
    progress.feed(
        "failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
        "dockerfile parse error line 3: unknown instruction: MKDIR"
    )
    error = build_failure(progress, source, Context(tmp_path), status=1)
    assert error.message == "Dockerfile:3: unknown instruction: MKDIR"
    assert "here-documents need" in (error.hint or "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
         "no Docker engine answers on web-1"),
        ("ERROR: failed to build: failed to dial gRPC: unable to upgrade to h2c, received 404",
         "the engine on web-1 has no BuildKit"),
        ('#1 [internal] booting buildkit\n#1 ERROR: {"message":"lookup registry-1.docker.io: no such host"}',
         "BuildKit could not be started on web-1"),
        ("ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
         "the connection to the Docker engine on web-1 was lost"),
        ("ERROR: failed to solve: write /var/lib/docker/x: no space left on device",
         "the disk of the Docker engine is full on web-1"),
    ],
)  # fmt: skip
def test_an_engine_error_names_the_machine_that_builds(line: str, message: str, tmp_path: Path) -> None:
    """With `build.on` it is not this one."""
    progress = PlainProgress("web", parse("FROM x\n"))
    for each in line.splitlines():
        progress.feed(each)
    error = build_failure(progress, parse("FROM x\n"), Context(tmp_path), status=1, machine="web-1")
    assert error.message == message
    assert error.hint


def test_a_cache_that_is_not_there_yet_is_not_the_reason(tmp_path: Path) -> None:
    """The first build of a CI runner reads a `build.cache` in vain, and goes on."""
    output = (
        "#3 importing cache manifest from registry.example.com/cache:web\n"
        "#3 ERROR: registry.example.com/cache:web: not found\n"
        '#5 [2/2] RUN make\n#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2\n'
    )
    error = error_for(output, "FROM x\nRUN make\n", tmp_path)
    assert error.message == "Dockerfile:2: a build step failed (RUN make)"
