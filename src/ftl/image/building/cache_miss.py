"""Why a build could not use its cache: the first step that was carried out, what changed there, what it cost.

A pure comparison of this build with the record of the last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftl.image.building.build_record import BuildRecord, FileFingerprint, changed_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.image.building.dockerfile import Dockerfile, Instruction
    from ftl.image.building.progress import ProgressStep

_NAMED_FILES = 3
_CONTEXT_MOUNT = re.compile(r"--mount=(?P<options>\S*)")


@dataclass(frozen=True, slots=True)
class CurrentBuild:
    """This build, as far as the cache depends on it."""

    dockerfile: Dockerfile
    args: Mapping[str, str]
    bases: Mapping[str, str]
    settings: Mapping[str, str]
    files: Mapping[str, FileFingerprint]
    no_cache: bool = False


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """The first step, in the Dockerfile's order, that was not found in the cache.

    Attributes:
        seconds: What this step and all later ones that were carried out took together.
        reason: A clause such as "requirements.txt changed".
        files: The paths that changed, if that was the reason.
    """

    instruction: Instruction
    seconds: float
    reason: str
    files: tuple[str, ...] = ()


def first_cache_miss(
    steps: Sequence[ProgressStep], now: CurrentBuild, last: BuildRecord | None
) -> CacheMiss | None:
    """The first miss of a build; None when every step came from the cache."""
    missed = [step for step in steps if step.missed and step.instruction is not None]
    if not missed:
        return None
    instructions = [step.instruction for step in missed if step.instruction is not None]
    first = min(instructions, key=lambda instruction: instruction.line)
    reason, files = _reason(first, steps, now, last)
    return CacheMiss(first, round(sum(step.seconds for step in missed), 1), reason, files)


def _reason(
    instruction: Instruction, steps: Sequence[ProgressStep], now: CurrentBuild, last: BuildRecord | None
) -> tuple[str, tuple[str, ...]]:
    if now.no_cache:
        return "the cache was not to be used (--no-cache)", ()
    if last is None:
        return "it is the first build here", ()
    chain = now.dockerfile.chain(instruction)
    reason = _other_instruction(instruction, chain, last) or _other_argument(chain, now, last)
    if reason is None and not _has_cached(steps, chain):
        reason = _other_base(chain, now, last) or _other_setting(now, last)
    if reason is not None:
        return reason, ()
    if files := _other_files(instruction, now, last):
        return f"{_listed(files)} changed", files
    return "the builder no longer has its result (its cache was pruned, or another builder was used)", ()


def _has_cached(steps: Sequence[ProgressStep], chain: Sequence[Instruction]) -> bool:
    """Whether a step on the way here was in the cache: then what all of them rest on has not changed."""
    return any(step.state == "cached" and step.instruction in chain[1:] for step in steps)


def _other_instruction(
    instruction: Instruction, chain: Sequence[Instruction], last: BuildRecord
) -> str | None:
    """The first instruction on the way here that the last build did not have."""
    known = set(last.instructions)
    new = next((step for step in chain if last.key(step) not in known), None)
    if new is None:
        return None
    if new is instruction:
        return "the instruction is new or was changed"
    return f"line {new.line} is new or was changed: {new.text}"


def _other_argument(chain: Sequence[Instruction], now: CurrentBuild, last: BuildRecord) -> str | None:
    declared = {
        word.partition("=")[0] for step in chain if step.keyword == "ARG" for word in step.arguments.split()
    }
    names = sorted(
        name
        for name in declared
        if (last.hashed(now.args[name]) if name in now.args else None) != last.args.get(name)
    )
    return f"the build argument {', '.join(names)} changed" if names else None


def _other_base(chain: Sequence[Instruction], now: CurrentBuild, last: BuildRecord) -> str | None:
    for step in chain:
        stage = now.dockerfile.stages[step.stage] if step.keyword == "FROM" else None
        if stage is not None and now.bases.get(stage.base) != last.bases.get(
            stage.base, now.bases.get(stage.base)
        ):
            return f"the base image {stage.base} changed"
    return None


def _other_setting(now: CurrentBuild, last: BuildRecord) -> str | None:
    names = [name for name, value in now.settings.items() if last.settings.get(name, "") != value]
    return f"the {' and the '.join(names)} changed" if names else None


def _other_files(instruction: Instruction, now: CurrentBuild, last: BuildRecord) -> tuple[str, ...]:
    sources = context_sources(instruction)
    paths = changed_paths(now.files, last.files)
    return tuple(path for path in paths if any(source_covers(source, path) for source in sources))


def context_sources(instruction: Instruction) -> tuple[str, ...]:
    """What an instruction reads from the build context: paths and patterns; "." is all of it."""
    if instruction.keyword in ("COPY", "ADD"):
        if any(flag.startswith("--from=") for flag in instruction.flags):
            return ()
        words = instruction.arguments.split()[len(instruction.flags) :]
        text = " ".join(words)
        quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', text) if text.startswith("[") else words
        return tuple(source for source in quoted[:-1] if not source.startswith(("<<", "http://", "https://")))
    if instruction.keyword == "RUN":
        return tuple(
            _bound(found["options"])
            for found in _CONTEXT_MOUNT.finditer(instruction.text)
            if _bound(found["options"])
        )
    return ()


def _bound(options: str) -> str:
    """The context's path that a `RUN --mount` shows; empty for other mounts."""
    fields = dict(option.partition("=")[::2] for option in options.split(","))
    if fields.get("type", "bind") != "bind" or "from" in fields:
        return ""
    return fields.get("source") or fields.get("src") or "."


def source_covers(source: str, path: str) -> bool:
    """Whether what an instruction reads includes a path of the context."""
    wanted = [part for part in source.split("/") if part not in ("", ".")]
    actual = path.split("/")
    if len(wanted) > len(actual):
        return False
    return all(fnmatchcase(part, pattern) for pattern, part in zip(wanted, actual, strict=False))


def _listed(paths: Sequence[str]) -> str:
    named = ", ".join(paths[:_NAMED_FILES])
    more = len(paths) - _NAMED_FILES
    return f"{named} and {more} more" if more > 0 else named
