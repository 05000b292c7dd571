"""Translate a failed build into an error: the Dockerfile's line, the cause, and a hint.

The builders' messages were recorded from the BuildKit of CLI 20.10.24 and from buildx 0.13; those of newer BuildKits
come from their public bug reports.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftl.errors import BuildFailed
from ftl.image.building.diagnosis.known_failures import BASE_IMAGE, ENGINE, EXIT_HINTS, OTHER, OUTPUT_HINTS
from ftl.image.building.diagnosis.secret_mounts import give, missing_secret_hint
from ftl.image.building.docker_cli.progress import MAX_OUTPUT_LINES, PlainProgress, ProgressStep

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ftl.image.building.inputs.context import Context
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

KEYWORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip

_WRAPPERS = re.compile(
    r"^(?:ERROR: |Error response from daemon: |failed to build: |failed to solve: |"
    r"rpc error: code = \w+ desc = |\[internal\] booting buildkit: |"
    r"failed to solve with frontend [\w.]+: |failed to create LLB definition: |failed to build LLB: |"
    r"failed to compute cache key: |failed to load cache key: |failed to calculate checksum of ref [^ ]+: |"
    r"failed to do request: )+"
)
_EXIT = re.compile(
    r"(?:executor failed running \[.*\]: |process \".*\" did not complete successfully: )"
    r"(?:runc did not terminate successfully: )?"
    r"(?:exit (?:code|status):? )?(?P<code>\d+)",
    re.DOTALL,
)
_PARSE_ERROR = re.compile(r"dockerfile parse error (?:on )?line (?P<line>\d+): (?P<text>.*)", re.IGNORECASE)
_EXCERPT = re.compile(r"^(?P<file>\S.*):(?P<line>\d+)$")
_MISSING_FILE = re.compile(r"\"/?(?P<path>[^\"]*)\"(?::)? not found(?:: not found)?$")
_NOISE = re.compile(r"^(?:-{3,}|\s+>|\s*\d+ \||View build details|\s*\d+ warnings? found|\s+- \w+:)")


_HEREDOC_HINT = (
    "here-documents need a newer Dockerfile syntax than this builder has: write `# syntax=docker/dockerfile:1` as the "
    "first line, or upgrade Docker (23.0 or newer)"
)


class StepNotReported(BuildFailed):
    """A build failed in a step that was not reported to it.

    BuildKit executes a step that several builds share once, and may report it to only one of them.
    """


def build_failure(
    progress: PlainProgress,
    dockerfile: Dockerfile,
    context: Context,
    *,
    status: int,
    target: str | None = None,
    machine: str = "this machine",
    secrets: Collection[str] = (),
) -> BuildFailed:
    """Make the error for a build that ended with `status`.

    The Dockerfile has the line of the failing instruction, the context tells whether a missing file is ignored, and
    `secrets`, the IDs of those that the build has, whether one is missing.
    """
    step = _failed_step(progress.steps)
    message = _builder_message(step, progress.tail)
    instruction = step.instruction if step is not None else _excerpted(progress.tail, dockerfile)
    error = (
        _engine_failure(_engine_text(step, message, progress.tail), machine)
        or _syntax_error(message, progress.tail, dockerfile)
        or _missing_target(message, dockerfile, target)
        or _base_image_failure(step, message, dockerfile)
        or _other_failure(instruction, message, dockerfile)
        or _missing_file(instruction, message, dockerfile, context)
        or _command_failure(step, message, dockerfile, secrets)
        or _error_type(step)(
            _at(instruction, dockerfile, "the build failed"), cause=message or f"status {status}"
        )
    )
    if step is not None and step.output:
        error.with_details(list(step.output)[-MAX_OUTPUT_LINES:])
    return error


def _failed_step(steps: Sequence[ProgressStep]) -> ProgressStep | None:
    failed = [step for step in steps if step.state == "failed" and not step.may_fail]
    return next((step for step in failed if not step.is_internal), failed[0] if failed else None)


def _excerpted(tail: Sequence[str], dockerfile: Dockerfile) -> Instruction | None:
    """The instruction that the CLI quotes at its end (`Dockerfile:2`), from buildx 0.8 on.

    A build that fails may end before its failed step was reported: seen in one of eight builds of another machine.
    """
    for line in tail:
        match = _EXCERPT.match(line)
        if match is not None and match["file"] == dockerfile.path.rpartition("/")[2]:
            number = int(match["line"])
            return next((step for step in dockerfile.instructions if step.line <= number <= step.end), None)
    return None


def _builder_message(step: ProgressStep | None, tail: Sequence[str]) -> str:
    """The builder's message, without the prefixes of the layers that passed it on."""
    if step is not None and step.error:
        return _WRAPPERS.sub("", step.error)
    lines = [line for line in tail if not _NOISE.match(line) and not _EXCERPT.match(line)]
    return _WRAPPERS.sub("", lines[-1]) if lines else ""


def _engine_text(step: ProgressStep | None, message: str, tail: Sequence[str]) -> str:
    """The text that may have an engine error: no step's output, and no name that is from a Dockerfile."""
    if step is None:
        return "\n".join(tail)
    return f"{step.name}: {message}" if step.is_internal else message


def _engine_failure(text: str, machine: str) -> BuildFailed | None:
    for known in ENGINE:
        if match := known.pattern.search(text):
            line = next((line for line in text.splitlines() if known.pattern.search(line)), match[0])
            message = known.message.format(machine=machine)
            return BuildFailed(message, cause=_WRAPPERS.sub("", line), hint=known.hint)
    return None


def _syntax_error(message: str, tail: Sequence[str], dockerfile: Dockerfile) -> BuildFailed | None:
    if "cannot be empty" in message or "no instructions" in message:
        return BuildFailed(f"{dockerfile.path} has no instructions", hint="the first one must be FROM")
    error = next((match for line in (message, *tail) if (match := _PARSE_ERROR.search(line))), None)
    if error is None:
        return None
    number = int(error["line"])
    step = next((step for step in dockerfile.instructions if step.line <= number <= step.end), None)
    in_heredoc = step is not None and step.line < number and "\n" in step.body
    return BuildFailed(
        f"{dockerfile.path}:{number}: {error['text']}",
        cause=step.text if step is not None else None,
        hint=_HEREDOC_HINT if in_heredoc else _syntax_hint(error["text"]),
    )


def _syntax_hint(text: str) -> str | None:
    if unknown := re.search(r"unknown instruction: (\S+)", text, re.IGNORECASE):
        close = get_close_matches(unknown[1].upper(), KEYWORDS, n=1)
        return f"did you mean {close[0]}?" if close else None
    if re.search(r"unknown flag", text, re.IGNORECASE):
        return "if it is a newer flag, `# syntax=docker/dockerfile:1` as the first line makes the builder support it"
    return None


def _missing_target(message: str, dockerfile: Dockerfile, target: str | None) -> BuildFailed | None:
    if target is None or not re.search(
        r"target stage .* could not be found|failed to reach build target", message
    ):
        return None
    names = [stage.name for stage in dockerfile.stages if stage.name]
    hint = (
        f"its stages are {', '.join(names)}"
        if names
        else "none of its stages has a name (`FROM ... AS NAME`)"
    )
    return BuildFailed(f"{dockerfile.path} has no stage `{target}`", hint=hint)


def _base_image_failure(
    step: ProgressStep | None, message: str, dockerfile: Dockerfile
) -> BuildFailed | None:
    image = _pulled_image(step)
    if image is None:
        return None
    instruction = _base_instruction(image, dockerfile)
    if step is not None and step.name.startswith("resolve image config"):
        return BuildFailed(
            f"the Dockerfile's syntax image {image} cannot be pulled",
            cause=message,
            hint=f"try without `# syntax=` in {dockerfile.path}: the builder itself supports most of the syntax",
        )
    for known in BASE_IMAGE:
        if known.pattern.search(message):
            text = _at(instruction, dockerfile, known.message.format(image=image))
            return BuildFailed(text, cause=message, hint=known.hint)
    text = _at(instruction, dockerfile, f"the base image {image} cannot be used")
    return BuildFailed(text, cause=message)


def _pulled_image(step: ProgressStep | None) -> str | None:
    """The image that a step was pulling, in the short form of Dockerfiles."""
    if step is None:
        return None
    match = re.search(
        r"^(?:\[internal\] load metadata for |resolve image config for (?:docker-image://)?|"
        r"(?:\[.*?\] )?FROM )(?P<image>[^ ]+)",
        step.name,
    )
    return re.sub(r"^docker\.io/(?:library/)?", "", match["image"]) if match is not None else None


def _base_instruction(image: str, dockerfile: Dockerfile) -> Instruction | None:
    bare = image.removesuffix(":latest")
    return next(
        (
            step
            for step in dockerfile.instructions
            if step.keyword in ("FROM", "COPY", "RUN")
            and re.search(rf"(?:^|[\s=]){re.escape(bare)}", step.text)
        ),
        None,
    )


def _missing_file(
    instruction: Instruction | None, message: str, dockerfile: Dockerfile, context: Context
) -> BuildFailed | None:
    match = _MISSING_FILE.search(message)
    if match is None or instruction is None or instruction.keyword not in ("COPY", "ADD", "RUN"):
        return None
    path = match["path"].strip("/")
    text = _at(instruction, dockerfile, f"`{path}` was not found")
    source = next((flag for flag in instruction.flags if flag.startswith("--from=")), None)
    if source is not None:
        hint = f"`{source.removeprefix('--from=')}` has no such file"
        return BuildFailed(text, cause=message, hint=hint)
    return BuildFailed(text, cause=message, hint=_missing_file_hint(path, context))


def _missing_file_hint(path: str, context: Context) -> str:
    if (context.root / path).exists():
        return f"the file exists, but {context.ignore_name} excludes it from the build context"
    close = get_close_matches(path, list(context.files), n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"paths in COPY and ADD are relative to the build context, {context.root}"


def _other_failure(
    instruction: Instruction | None, message: str, dockerfile: Dockerfile
) -> BuildFailed | None:
    for known in OTHER:
        if match := known.pattern.search(message):
            secret_id = match.groupdict().get("id", "")
            return BuildFailed(
                _at(instruction, dockerfile, known.message.format(id=secret_id)),
                cause=message,
                hint=known.hint.format(give=give(secret_id)),
            )
    return None


def _command_failure(
    step: ProgressStep | None, message: str, dockerfile: Dockerfile, secrets: Collection[str]
) -> BuildFailed | None:
    match = _EXIT.search(message)
    if match is None:
        return None
    code = int(match["code"])
    instruction = step.instruction if step is not None else None
    text = _at(instruction, dockerfile, "a build step failed")
    missing = missing_secret_hint(instruction, secrets)
    is_named = step is not None and any("/run/secrets/" in line for line in step.output)
    hint = _output_hint(step) or (missing if is_named else None) or EXIT_HINTS.get(code) or missing
    return _error_type(step)(text, cause=f"it exited with status {code}", hint=hint)


def _output_hint(step: ProgressStep | None) -> str | None:
    output = step.output if step is not None else ()
    hints = (hint for pattern, hint in OUTPUT_HINTS if any(pattern.search(line) for line in output))
    return next(hints, None)


def _error_type(step: ProgressStep | None) -> type[BuildFailed]:
    return BuildFailed if step is not None else StepNotReported


def _at(instruction: Instruction | None, dockerfile: Dockerfile, sentence: str) -> str:
    """Add the Dockerfile's line, in the form that editors open, and the instruction, if they are known."""
    if instruction is None:
        return sentence
    text = instruction.text if len(instruction.text) <= 160 else f"{instruction.text[:157]}..."
    return f"{dockerfile.path}:{instruction.line}: {sentence} ({text})"
