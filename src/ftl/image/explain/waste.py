"""Rules about bytes that an image carries and does not need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl import figures
from ftl.image.explain.advice import WORTH, Advice, about_layer
from ftl.image.explain.facts import ImageFacts, total

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.image.building.dockerfile import Instruction

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
    """Something that a command leaves in its layer, unless its text (or an ENV before it) says otherwise."""

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
        "recommended packages come along in",
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
    """Tools that only a build needs are in the image."""
    for step in facts.result:
        if step.keyword != "RUN" or _REMOVED.search(step.text):
            continue
        tools = [
            tool for command in _SYSTEM_INSTALL.findall(step.text) for tool in _BUILD_TOOL.findall(command)
        ]
        if tools:
            yield Advice(
                "multi-stage",
                f"build tools stay in the image: {', '.join(tools[:4])} came with a layer of "
                f"{figures.size(facts.weighs(step))}",
                "build in a stage of its own (`FROM ... AS build`) and `COPY --from=build` the result",
                line=step.line,
                bytes=facts.weighs(step),
            )
        elif compiled := _COMPILES.search(step.text):
            carried = facts.base_size + facts.weighs(step)
            yield Advice(
                "multi-stage",
                f"`{compiled[0]}` runs in the image itself: with its base and what it left behind, "
                f"{figures.size(carried)}",
                "build in a stage of its own and `COPY --from=` the result into a small base",
                line=step.line,
                bytes=carried,
            )


def left_behind(facts: ImageFacts) -> Iterator[Advice]:
    """Package managers' lists and caches stay in a layer."""
    settings = " ".join(step.text for step in facts.result if step.keyword == "ENV")
    for step in facts.result:
        if step.keyword != "RUN" or facts.weighs(step) < WORTH:
            continue
        for waste in _WASTES:
            if waste.pattern.search(step.text) and not waste.unless.search(f"{settings} {step.text}"):
                text = f"{waste.text} a layer of {figures.size(facts.weighs(step))}"
                yield about_layer(waste.rule, step, facts, text, waste.hint)


def doubled(facts: ImageFacts) -> Iterator[Advice]:
    """A recursive chown or chmod copies every file it touches into one more layer."""
    for step in facts.result:
        command = re.search(r"\bch(?:own|mod) -\w*R\w*\b", step.text)
        if step.keyword == "RUN" and command and facts.weighs(step) >= WORTH:
            flag = "--chown=USER" if command[0].startswith("chown") else "--chmod=MODE"
            yield about_layer(
                "copied-twice",
                step,
                facts,
                f"`{command[0]}` stores the files it touches a second time, in a layer of "
                f"{figures.size(facts.weighs(step))}",
                f"set it while copying: `COPY {flag}`",
            )


def many_layers(facts: ImageFacts) -> Iterator[Advice]:
    """A long row of RUNs."""
    row: list[Instruction] = []
    for step in [*facts.result, None]:
        if step is not None and step.keyword == "RUN":
            row.append(step)
            continue
        if len(row) >= _MANY_RUNS:
            yield Advice(
                "layers",
                f"{len(row)} RUNs in a row make {len(row)} layers, {figures.size(total(facts, row))} in all; what "
                "a later one deletes stays in the earlier one",
                "join those that belong together with `&&`",
                line=row[0].line,
                bytes=total(facts, row),
            )
        row = []
