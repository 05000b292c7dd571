"""A failed build in words: which line of which Dockerfile, why, and what to do about it.

The builders' sentences were recorded from engine 20.10.24 (BuildKit and classic) and buildx 0.13; those of
newer BuildKits come from their public reports.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftl.errors import BuildFailed
from ftl.image.building.known_failures import BASE, DISTRUST, DISTRUST_HINT, ENGINE, EXIT_HINTS, OTHER
from ftl.image.building.progress import OUTPUT_KEPT, Progress, ProgressStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.building.context import Context
    from ftl.image.building.dockerfile import Dockerfile, Instruction

KEYWORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip

_WRAPPING = re.compile(
    r"^(?:ERROR: |Error response from daemon: |failed to build: |failed to solve: |"
    r"rpc error: code = \w+ desc = |"
    r"failed to solve with frontend [\w.]+: |failed to create LLB definition: |failed to build LLB: |"
    r"failed to compute cache key: |failed to load cache key: |failed to calculate checksum of ref [^ ]+: |"
    r"failed to do request: |COPY failed: |ADD failed: )+"
)
_EXIT = re.compile(
    r"(?:executor failed running \[.*\]: |process \".*\" did not complete successfully: |"
    r"The command '.*' returned a non-zero code: )(?:runc did not terminate successfully: )?"
    r"(?:exit (?:code|status):? )?(?P<code>\d+)",
    re.DOTALL,
)
_PARSE_ERROR = re.compile(r"dockerfile parse error (?:on )?line (?P<line>\d+): (?P<words>.*)", re.IGNORECASE)
_EXCERPT = re.compile(r"^(?P<file>\S.*):(?P<line>\d+)$")
_MISSING = re.compile(
    r"\"/?(?P<buildkit>[^\"]*)\"(?::)? not found(?:: not found)?$|"
    r"(?:file not found in build context or excluded by \.dockerignore: )?stat /?(?P<classic>[^:]+): "
    r"(?:file does not exist|no such file)"
)
_CHATTER = re.compile(r"^(?:-{3,}|\s+>|\s*\d+ \||View build details|\s*\d+ warnings? found|\s+- \w+:)")


class StepNotReported(BuildFailed):
    """A build failed in a step of which it heard nothing.

    BuildKit carries out a step that several builds share once, and may tell about it to one of them alone.
    """


def build_failure(
    progress: Progress, dockerfile: Dockerfile, context: Context, *, status: int, target: str | None = None
) -> BuildFailed:
    """What a build that ended with `status` is reported as.

    Args:
        progress: All that the builder printed.
        dockerfile: Its path is shown.
        context: To say whether a missing file is ignored.
        status: The builder's exit status.
        target: The stage that was asked for.
    """
    step = _failed(progress.steps)
    words = _words(step, progress.tail)
    said = words if step is not None else "\n".join(progress.tail)  # a step's own output blames no engine
    instruction = step.instruction if step is not None else None
    error = (
        _engine(said)
        or _syntax(words, progress.tail, dockerfile)
        or _target(words, dockerfile, target)
        or _base(step, words, dockerfile)
        or _other(instruction, words, dockerfile)
        or _missing(instruction, words, dockerfile, context)
        or _command(step, words, dockerfile)
        or _whatever(step)(
            _at(instruction, dockerfile, "the build failed"), cause=words or f"status {status}"
        )
    )
    if step is not None and step.output:
        error.with_details(list(step.output)[-OUTPUT_KEPT:])
    return error


def _failed(steps: Sequence[ProgressStep]) -> ProgressStep | None:
    failed = [step for step in steps if step.state == "failed"]
    return next((step for step in failed if not step.is_internal), failed[0] if failed else None)


def _words(step: ProgressStep | None, tail: Sequence[str]) -> str:
    """The builder's own sentence, without the names of the layers that it came through."""
    if step is not None and step.error:
        return _WRAPPING.sub("", step.error)
    said = [line for line in tail if not _CHATTER.match(line) and not _EXCERPT.match(line)]
    return _WRAPPING.sub("", said[-1]) if said else ""


def _engine(text: str) -> BuildFailed | None:
    for known in ENGINE:
        if found := known.pattern.search(text):
            line = next((line for line in text.splitlines() if known.pattern.search(line)), found[0])
            return BuildFailed(known.message, cause=_WRAPPING.sub("", line), hint=known.hint)
    return None


def _syntax(words: str, tail: Sequence[str], dockerfile: Dockerfile) -> BuildFailed | None:
    if "cannot be empty" in words or "no instructions" in words:
        return BuildFailed(f"{dockerfile.path} holds no instruction", hint="it starts with a FROM")
    found = next((match for line in (words, *tail) if (match := _PARSE_ERROR.search(line))), None)
    if found is None:
        return None
    number = int(found["line"])
    unknown = re.search(r"unknown instruction: (\S+)", found["words"], re.IGNORECASE)
    close = get_close_matches(unknown[1].upper(), KEYWORDS, n=1) if unknown else []
    source = next((step.text for step in dockerfile.instructions if step.line <= number <= step.end), None)
    return BuildFailed(
        f"{dockerfile.path}:{number}: {found['words']}",
        cause=source,
        hint=f"did you mean {close[0]}?" if close else None,
    )


def _target(words: str, dockerfile: Dockerfile, target: str | None) -> BuildFailed | None:
    if target is None or not re.search(
        r"target stage .* could not be found|failed to reach build target", words
    ):
        return None
    names = [stage.name for stage in dockerfile.stages if stage.name]
    hint = (
        f"its stages are {', '.join(names)}"
        if names
        else "none of its stages has a name (`FROM ... AS NAME`)"
    )
    return BuildFailed(f"{dockerfile.path} has no stage `{target}`", hint=hint)


def _base(step: ProgressStep | None, words: str, dockerfile: Dockerfile) -> BuildFailed | None:
    image = _pulled(step)
    if image is None:
        return None
    line = _line_of_base(image, dockerfile)
    if step is not None and step.name.startswith("resolve image config"):
        return BuildFailed(
            f"the Dockerfile's syntax image {image} cannot be pulled",
            cause=words,
            hint=f"the builder knows most of the syntax itself: try without `# syntax=` in {dockerfile.path}",
        )
    for known in BASE:
        if known.pattern.search(words):
            return BuildFailed(
                _at(line, dockerfile, known.message.format(image=image)), cause=words, hint=known.hint
            )
    return BuildFailed(_at(line, dockerfile, f"the base image {image} cannot be used"), cause=words)


def _pulled(step: ProgressStep | None) -> str | None:
    """The image that a step was about to pull, as short as a Dockerfile has it."""
    if step is None:
        return None
    found = re.search(
        r"^(?:\[internal\] load metadata for |resolve image config for (?:docker-image://)?|"
        r"(?:\[.*?\] )?FROM )(?P<image>[^ ]+)",
        step.name,
    )
    if found is None:
        return None
    return re.sub(r"^docker\.io/(?:library/)?", "", found["image"])


def _line_of_base(image: str, dockerfile: Dockerfile) -> Instruction | None:
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


def _missing(
    instruction: Instruction | None, words: str, dockerfile: Dockerfile, context: Context
) -> BuildFailed | None:
    found = _MISSING.search(words)
    if found is None or instruction is None or instruction.keyword not in ("COPY", "ADD", "RUN"):
        return None
    path = (found["buildkit"] or found["classic"]).strip("/")
    message = _at(instruction, dockerfile, f"`{path}` was not found")
    source = next((flag for flag in instruction.flags if flag.startswith("--from=")), None)
    if source is not None:
        return BuildFailed(
            message, cause=words, hint=f"there is no such file in `{source.removeprefix('--from=')}`"
        )
    return BuildFailed(message, cause=words, hint=_missing_hint(path, context))


def _missing_hint(path: str, context: Context) -> str:
    if (context.root / path).exists():
        ignored_by = context.ignore.name if context.ignore else ".dockerignore"
        return f"the file is there, but {ignored_by} keeps it out of the build context"
    near = get_close_matches(path, list(context.files), n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"paths in COPY and ADD start from the build context, {context.root}"


def _other(instruction: Instruction | None, words: str, dockerfile: Dockerfile) -> BuildFailed | None:
    for known in OTHER:
        if found := known.pattern.search(words):
            identity = found.groupdict().get("id", "")
            return BuildFailed(
                _at(instruction, dockerfile, known.message.format(id=identity)),
                cause=words,
                hint=known.hint.format(id=identity),
            )
    return None


def _command(step: ProgressStep | None, words: str, dockerfile: Dockerfile) -> BuildFailed | None:
    found = _EXIT.search(words)
    if found is None:
        return None
    code = int(found["code"])
    message = _at(step.instruction if step else None, dockerfile, "a build step failed")
    return _whatever(step)(
        message, cause=f"it ended with status {code}", hint=EXIT_HINTS.get(code) or _by_output(step)
    )


def _by_output(step: ProgressStep | None) -> str | None:
    said = step.output if step is not None else ()
    return DISTRUST_HINT if any(DISTRUST.search(line) for line in said) else None


def _whatever(step: ProgressStep | None) -> type[BuildFailed]:
    return BuildFailed if step is not None else StepNotReported


def _at(instruction: Instruction | None, dockerfile: Dockerfile, sentence: str) -> str:
    """The sentence with the Dockerfile's line, as editors open it, and the instruction, if they are known."""
    if instruction is None:
        return sentence
    text = instruction.text if len(instruction.text) <= 160 else f"{instruction.text[:157]}..."
    return f"{dockerfile.path}:{instruction.line}: {sentence} ({text})"
