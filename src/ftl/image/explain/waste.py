"""Rules about bytes in an image that it does not need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common import figures
from ftl.dataclass import dataclass
from ftl.image.explain.facts import MIN_BYTES, Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.image.building.inputs.dockerfile import Instruction
    from ftl.image.explain.facts import ImageFacts

_MANY_RUNS = 5
_SYSTEM_INSTALL = re.compile(r"\b(?:apt-get|apt|apk|dnf|yum|microdnf)\b[^&|;]*\b(?:install|add)\b[^&|;]*")
_BUILD_TOOL = re.compile(
    r"(?:^|\s)(build-essential|build-base|gcc|g\+\+|clang|make|cmake|cargo|rustc|golang\S*|"
    r"maven|gradle|default-jdk|openjdk-\d+-jdk\S*|[a-z0-9.+-]+-dev(?:el)?)(?=\s|$)"
)
_REMOVED = re.compile(r"\b(?:apt(?:-get)? (?:-y )?(?:purge|remove|autoremove)|apk del|(?:dnf|yum) remove)\b")
_COMPILES = re.compile(
    r"\b(?:go build|cargo build|mvn\s.*package|gradlew?\s.*build|npm run build|yarn build|pnpm build)\b"
)


@dataclass(frozen=True, slots=True)
class _Waste:
    """Files that a command leaves in its layer, unless its text (or an earlier ENV) prevents it."""

    rule: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str]
    text: str
    hint: str


_WASTES = (
    _Waste(
        "apt-lists",
        re.compile(r"\bapt(?:-get)? update\b"),
        re.compile(r"/var/lib/apt/lists|--mount=type=cache"),
        "apt's package lists stay in",
        "end the same RUN with `rm -rf /var/lib/apt/lists/*`",
    ),
    _Waste(
        "apt-recommends",
        re.compile(r"\bapt(?:-get)?\b[^&|;]*\binstall\b"),
        re.compile(r"--no-install-recommends"),
        "recommended packages are installed in",
        "use `apt-get install --no-install-recommends`",
    ),
    _Waste(
        "pip-cache",
        re.compile(r"\bpip3? install\b"),
        re.compile(r"--no-cache-dir|PIP_NO_CACHE_DIR|--mount=type=cache"),
        "pip's cache stays in",
        "use `pip install --no-cache-dir`, or `RUN --mount=type=cache,target=/root/.cache/pip`",
    ),
    _Waste(
        "apk-cache",
        re.compile(r"\bapk add\b"),
        re.compile(r"--no-cache|--mount=type=cache"),
        "apk's index stays in",
        "use `apk add --no-cache`",
    ),
    _Waste(
        "npm-dev",
        re.compile(r"\bnpm (?:ci|install)\b"),
        re.compile(r"--omit[= ]dev|--production|NODE_ENV[= ]production|cache clean"),
        "development packages and npm's cache may stay in",
        "use `npm ci --omit=dev && npm cache clean --force` in the stage that runs",
    ),
)


def multi_stage(facts: ImageFacts) -> Iterator[Advice]:
    """The image contains tools that only its build needs."""
    for step in facts.instructions:
        if step.keyword != "RUN" or _REMOVED.search(step.text):
            continue
        tools = [
            tool for command in _SYSTEM_INSTALL.findall(step.text) for tool in _BUILD_TOOL.findall(command)
        ]
        if tools:
            yield Advice(
                "multi-stage",
                f"build tools stay in the image: {', '.join(tools[:4])}, in a layer of "
                f"{figures.size(facts.layer_size(step))}",
                "build in a separate stage (`FROM ... AS build`) and `COPY --from=build` the result",
                line=step.line,
                bytes=facts.layer_size(step),
            )
        elif compiled := _COMPILES.search(step.text):
            size = facts.base_size + facts.layer_size(step)
            yield Advice(
                "multi-stage",
                f"`{compiled[0]}` runs in the final stage: the base and its output are {figures.size(size)}",
                "build in a separate stage and `COPY --from=` the result into a small base",
                line=step.line,
                bytes=size,
            )


def package_caches(facts: ImageFacts) -> Iterator[Advice]:
    """Lists and caches of package managers stay in a layer."""
    settings = " ".join(step.text for step in facts.instructions if step.keyword == "ENV")
    for step in facts.instructions:
        if step.keyword != "RUN" or facts.layer_size(step) < MIN_BYTES:
            continue
        for waste in _WASTES:
            if waste.pattern.search(step.text) and not waste.unless.search(f"{settings} {step.text}"):
                text = f"{waste.text} a layer of {figures.size(facts.layer_size(step))}"
                yield facts.layer_advice(waste.rule, step, text, waste.hint)


def copied_twice(facts: ImageFacts) -> Iterator[Advice]:
    """A recursive chown or chmod copies every file that it changes into another layer."""
    for step in facts.instructions:
        command = re.search(r"\bch(?:own|mod) -\w*R\w*\b", step.text)
        if step.keyword == "RUN" and command and facts.layer_size(step) >= MIN_BYTES:
            flag = "--chown=USER" if command[0].startswith("chown") else "--chmod=MODE"
            yield facts.layer_advice(
                "copied-twice",
                step,
                f"`{command[0]}` stores the files that it changes a second time, in a layer of "
                f"{figures.size(facts.layer_size(step))}",
                f"set it in the copy: `COPY {flag}`",
            )


def consecutive_runs(facts: ImageFacts) -> Iterator[Advice]:
    """Many RUNs in a row."""
    row: list[Instruction] = []
    for step in [*facts.instructions, None]:
        if step is not None and step.keyword == "RUN":
            row.append(step)
            continue
        if len(row) >= _MANY_RUNS:
            yield Advice(
                "layers",
                f"{len(row)} RUNs in a row make {len(row)} layers, {figures.size(facts.total_size(row))} in total; "
                "files that a later one deletes stay in the earlier one",
                "combine related ones with `&&`",
                line=row[0].line,
                bytes=facts.total_size(row),
            )
        row = []
