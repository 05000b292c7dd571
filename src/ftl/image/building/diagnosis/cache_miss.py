"""Explain a cache miss: the first executed step, the change that caused it, and its cost.

A pure comparison of this build with the record of the last one.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.image.building.diagnosis.build_record import BuildRecord, CurrentBuild, changed_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.building.docker_cli.progress import ProgressStep
    from ftl.image.building.inputs.dockerfile import Instruction

_MAX_NAMED_FILES = 3
_MOUNT = re.compile(r"--mount=(?P<options>\S*)")


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """The first instruction, in the Dockerfile's order, that was not in the cache.

    `seconds` is the sum of all steps that were executed, `reason` a clause such as "requirements.txt changed".
    """

    instruction: Instruction
    seconds: float
    reason: str


def first_cache_miss(
    steps: Sequence[ProgressStep], current: CurrentBuild, last: BuildRecord | None
) -> CacheMiss | None:
    """Find the first cache miss of a build; None if every step came from the cache."""
    executed = [step for step in steps if step.is_cache_miss]
    instructions = [step.instruction for step in executed if step.instruction is not None]
    if not instructions:
        return None
    first = min(instructions, key=lambda instruction: instruction.line)
    seconds = round(sum(step.seconds for step in executed), 1)
    return CacheMiss(first, seconds, _reason(first, steps, current, last))


def _reason(
    instruction: Instruction, steps: Sequence[ProgressStep], current: CurrentBuild, last: BuildRecord | None
) -> str:
    if current.no_cache:
        return "the cache was disabled (--no-cache)"
    if last is None:
        return f"first build on {current.settings.get('builder') or 'this machine'}"
    chain = current.dockerfile.chain(instruction)
    reason = _changed_instruction(instruction, chain, last) or _changed_argument(chain, current, last)
    # With a cached step in the chain, the base below it has not changed.
    if reason is None and not any(step.state == "cached" and step.instruction in chain[1:] for step in steps):
        reason = _changed_base(chain, current, last) or _changed_setting(current, last)
    if reason is not None:
        return reason
    if files := _changed_files(instruction, current, last):
        return f"{_enumerate(files)} changed"
    return "the builder's cache no longer has its result (pruned, or another builder was used)"


def _changed_instruction(
    instruction: Instruction, chain: Sequence[Instruction], last: BuildRecord
) -> str | None:
    """The first instruction of the chain that the last build did not have."""
    known = set(last.instructions)
    new = next((step for step in chain if last.hash_instruction(step) not in known), None)
    if new is None:
        return None
    if new is instruction:
        return "the instruction is new or changed"
    return f"line {new.line} is new or changed: {new.text}"


def _changed_argument(chain: Sequence[Instruction], current: CurrentBuild, last: BuildRecord) -> str | None:
    declared = {
        word.partition("=")[0] for step in chain if step.keyword == "ARG" for word in step.arguments.split()
    }
    names = sorted(
        name
        for name in declared
        if (last.hash_text(current.args[name]) if name in current.args else None) != last.args.get(name)
    )
    return f"the build argument {', '.join(names)} changed" if names else None


def _changed_base(chain: Sequence[Instruction], current: CurrentBuild, last: BuildRecord) -> str | None:
    for step in chain:
        stage = current.dockerfile.stages[step.stage] if step.keyword == "FROM" else None
        if stage is not None and current.bases.get(stage.base) != last.bases.get(
            stage.base, current.bases.get(stage.base)
        ):
            return f"the base image {stage.base} changed"
    return None


def _changed_setting(current: CurrentBuild, last: BuildRecord) -> str | None:
    names = [name for name, value in current.settings.items() if last.settings.get(name, "") != value]
    return f"the {' and the '.join(names)} changed" if names else None


def _changed_files(instruction: Instruction, current: CurrentBuild, last: BuildRecord) -> tuple[str, ...]:
    sources = context_sources(instruction)
    paths = changed_paths(current.files, last.files)
    return tuple(path for path in paths if any(source_covers(source, path) for source in sources))


def context_sources(instruction: Instruction) -> tuple[str, ...]:
    """Paths and patterns that an instruction reads from the build context; "." is all of it."""
    if instruction.keyword in ("COPY", "ADD"):
        if any(flag.startswith("--from=") for flag in instruction.flags):
            return ()
        words = instruction.arguments.split()[len(instruction.flags) :]
        text = " ".join(words)
        quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', text) if text.startswith("[") else words
        return tuple(source for source in quoted[:-1] if not source.startswith(("<<", "http://", "https://")))
    if instruction.keyword == "RUN":
        return tuple(
            source
            for mount in _MOUNT.finditer(instruction.text)
            if (source := _bind_source(mount["options"]))
        )
    return ()


def _bind_source(options: str) -> str:
    """The context's path that a `RUN --mount` binds; empty for other mounts."""
    fields = dict(option.partition("=")[::2] for option in options.split(","))
    if fields.get("type", "bind") != "bind" or "from" in fields:
        return ""
    return fields.get("source") or fields.get("src") or "."


def source_covers(source: str, path: str) -> bool:
    """Whether a path or pattern that an instruction reads includes `path`."""
    patterns = [part for part in source.split("/") if part not in ("", ".")]
    parts = path.split("/")
    if len(patterns) > len(parts):
        return False
    return all(fnmatchcase(part, pattern) for pattern, part in zip(patterns, parts, strict=False))


def _enumerate(paths: Sequence[str]) -> str:
    named = ", ".join(paths[:_MAX_NAMED_FILES])
    more = len(paths) - _MAX_NAMED_FILES
    return f"{named} and {more} more" if more > 0 else named
