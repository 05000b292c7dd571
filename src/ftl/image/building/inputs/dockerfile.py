"""Parse a Dockerfile into instructions with line numbers, and map build steps to them.

It follows the Dockerfile reference (parser directives, line continuation, here-documents) and checks nothing: errors
are reported by the builder.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DIRECTIVE = re.compile(r"^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z0-9_.]+)\2")
_HEREDOC_KEYWORDS = ("RUN", "COPY", "ADD")
LAYER_KEYWORDS = ("RUN", "COPY", "ADD", "WORKDIR")
"""Instructions that BuildKit shows (and counts) as steps; others only change the config."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: In upper case: "RUN".
        text: The instruction joined on one line: "RUN apt-get update && ...".
        body: Its source with here-documents, for comparison.
        line: First line, from 1.
        end: Last line, from 1.
        stage: Index of its stage; -1 for an ARG before the first FROM.
    """

    keyword: str
    text: str
    body: str
    line: int
    end: int
    stage: int

    @property
    def arguments(self) -> str:
        """The text after the keyword."""
        return self.text[len(self.keyword) :].strip()

    @property
    def flags(self) -> tuple[str, ...]:
        """The leading `--name=value` words."""
        flags: list[str] = []
        for word in self.arguments.split():
            if not word.startswith("--"):
                break
            flags.append(word)
        return tuple(flags)


@dataclass(frozen=True, slots=True)
class BuildStage:
    """A FROM and its instructions; `name` is in lower case, as builders compare it."""

    index: int
    name: str | None
    base: str
    instructions: tuple[Instruction, ...]

    def has_name(self, name: str) -> bool:
        """Whether `name`, from `--target` or a progress line, refers to this stage."""
        return name.lower() in (self.name, f"stage-{self.index}", str(self.index))


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed Dockerfile; `path` is relative to the working directory."""

    path: str
    instructions: tuple[Instruction, ...]
    stages: tuple[BuildStage, ...] = field(default=())

    def base_stage(self, stage: BuildStage) -> BuildStage | None:
        """The earlier stage that `stage` is built from; None if its base is an image."""
        return next((base for base in self.stages[: stage.index] if base.name == stage.base.lower()), None)

    def chain(self, instruction: Instruction) -> tuple[Instruction, ...]:
        """Instructions that `instruction` depends on: of its base stages and its own; it comes last."""
        if instruction.stage < 0:
            return (instruction,)
        stage: BuildStage | None = self.stages[instruction.stage]
        chain = [
            step for step in self.stages[instruction.stage].instructions if step.line <= instruction.line
        ]
        while stage is not None and (stage := self.base_stage(stage)) is not None:
            chain = [*stage.instructions, *chain]
        return tuple(chain)

    def bases(self) -> tuple[str, ...]:
        """Base images (neither stages nor `scratch`), in order, without duplicates."""
        names = {stage.name for stage in self.stages if stage.name}
        images = [stage.base for stage in self.stages if stage.base.lower() not in {*names, "scratch"}]
        return tuple(dict.fromkeys(images))

    def step(self, stage_name: str | None, number: int) -> Instruction | None:
        """The instruction that BuildKit shows as `[STAGE NUMBER/TOTAL]`.

        BuildKit counts the instructions that make layers, and the FROM where its base is an image
        (moby/buildkit, dockerfile2llb: `cmdTotal`).
        """
        stage = self._stage(stage_name)
        if stage is None:
            return None
        counted = [step for step in stage.instructions if step.keyword in LAYER_KEYWORDS]
        if self.base_stage(stage) is None and stage.base.lower() != "scratch":
            counted.insert(0, stage.instructions[0])
        return counted[number - 1] if 0 < number <= len(counted) else None

    def image_instructions(self, target: str | None) -> tuple[Instruction, ...]:
        """Instructions that made the image: of the target (default: last stage) and its bases."""
        if not self.stages:
            return ()
        stage = self._stage(target) if target else self.stages[-1]
        return self.chain(stage.instructions[-1]) if stage is not None else ()

    def emulated_steps(self, target: str | None) -> tuple[Instruction, ...]:
        """RUN instructions that are executed for the image's platform, and not for the builder's.

        Those of stages that begin with `FROM --platform=$BUILDPLATFORM` run natively. A stage has the platform of the
        stage that it is built from. Stages after the target are not built.
        """
        last = self._stage(target) if target else (self.stages[-1] if self.stages else None)
        stages = self.stages[: last.index + 1] if last is not None else ()
        return tuple(
            step
            for stage in stages
            if not self._is_native(stage)
            for step in stage.instructions
            if step.keyword == "RUN"
        )

    def _is_native(self, stage: BuildStage) -> bool:
        """Whether a stage or the one at the bottom of its bases names a platform, other than the image's."""
        while (base := self.base_stage(stage)) is not None:
            stage = base
        flags = [
            flag.partition("=")[2] for flag in stage.instructions[0].flags if flag.startswith("--platform=")
        ]
        return any("TARGETPLATFORM" not in platform for platform in flags)

    def _stage(self, name: str | None) -> BuildStage | None:
        if name is None:
            return self.stages[0] if len(self.stages) == 1 else None
        return next((stage for stage in reversed(self.stages) if stage.has_name(name)), None)


def parse(text: str, path: str = "Dockerfile", args: Mapping[str, str] | None = None) -> Dockerfile:
    """Parse a Dockerfile, with `args` for base image names; invalid parts are kept verbatim."""
    instructions: list[Instruction] = []
    stage = -1
    for line, end, joined, body in _logical_lines(text):
        keyword, _, rest = joined.partition(" ")
        keyword = keyword.upper()
        if keyword == "FROM":
            stage += 1
        statement = f"{keyword} {rest.strip()}".strip()
        instructions.append(Instruction(keyword, statement, body, line, end, stage))
    return Dockerfile(path, tuple(instructions), _stages(instructions, args or {}))


def _stages(instructions: list[Instruction], args: Mapping[str, str]) -> tuple[BuildStage, ...]:
    stages: list[BuildStage] = []
    values = global_arguments(instructions)
    values |= {name: value for name, value in args.items() if name in values}
    for step in instructions:
        if step.keyword == "FROM":
            words = [word for word in step.arguments.split() if not word.startswith("--")]
            name = words[2].lower() if len(words) >= 3 and words[1].upper() == "AS" else None
            base = expand(words[0], values) if words else ""
            members = tuple(member for member in instructions if member.stage == step.stage)
            stages.append(BuildStage(step.stage, name, base, members))
    return tuple(stages)


def global_arguments(instructions: list[Instruction]) -> dict[str, str]:
    """Defaults of the ARGs before the first FROM, the only ones that a FROM may use."""
    pairs = [
        word.partition("=")
        for step in instructions
        if step.keyword == "ARG" and step.stage < 0
        for word in step.arguments.split()
    ]
    return {name: value.strip("\"'") for name, _, value in pairs}


def expand(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of its variables, as `$A`, `${A}` or `${A:-default}`."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        return values.get(name) or match["default"] or ""

    return re.sub(r"\$(?:\{(?P<braced>\w+)(?::-(?P<default>[^}]*))?\}|(?P<bare>\w+))", value, text)


def _logical_lines(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield each instruction as (first line, last line, text on one line, text with here-documents)."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    position = 0
    while position < len(lines):
        first = position
        if _is_blank_or_comment(lines[position]):
            position += 1
            continue
        parts: list[str] = []
        while position < len(lines):
            part = lines[position]
            position += 1
            if parts and _is_blank_or_comment(part):
                continue
            stripped = part.rstrip()
            if not stripped.endswith(escape):
                parts.append(stripped)
                break
            parts.append(stripped[: -len(escape)].rstrip())
        joined = " ".join(piece.strip() for piece in parts if piece.strip())
        body = joined
        if joined.partition(" ")[0].upper() in _HEREDOC_KEYWORDS:
            for dash, _, word in _HEREDOC.findall(joined):
                document, position = _heredoc(lines, position, word, strip=bool(dash))
                body = "\n".join([body, *document])
        yield first + 1, position, joined, body


def _heredoc(lines: list[str], position: int, word: str, *, strip: bool) -> tuple[list[str], int]:
    document: list[str] = []
    while position < len(lines):
        line = lines[position]
        position += 1
        document.append(line)
        if (line.lstrip("\t") if strip else line) == word:
            break
    return document, position


def _escape(lines: list[str]) -> str:
    """The escape character. Parser directives come before anything else."""
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape":
            return directive[2]
    return "\\"


def _is_blank_or_comment(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith("#")
