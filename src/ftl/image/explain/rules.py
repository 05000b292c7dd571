"""Advice about a Dockerfile, each piece resting on a figure that was measured: facts in, sentences out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl import figures
from ftl.image.building.cache_miss import context_sources
from ftl.image.building.context import folders_text
from ftl.image.explain.advice import WORTH, Advice
from ftl.image.explain.waste import doubled, left_behind, many_layers, multi_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.image.building.dockerfile import Instruction
    from ftl.image.explain.facts import ImageFacts

_LARGE_IMAGE = 300_000_000
_SLOW = 10.0
"""Seconds from which on a step that is often repeated deserves a cache of its own."""

_INSTALLERS = (
    (re.compile(r"\b(?:pip3?|uv pip) install\b"), ("requirements.txt", "pyproject.toml", "setup.py")),
    (re.compile(r"\buv sync\b"), ("pyproject.toml", "uv.lock")),
    (re.compile(r"\bpoetry install\b"), ("pyproject.toml", "poetry.lock")),
    (re.compile(r"\bnpm (?:ci|i|install)\b"), ("package.json", "package-lock.json")),
    (re.compile(r"\byarn(?: install)?(?:\s|$)"), ("package.json", "yarn.lock")),
    (re.compile(r"\bpnpm (?:i|install)\b"), ("package.json", "pnpm-lock.yaml")),
    (re.compile(r"\bbundle install\b"), ("Gemfile", "Gemfile.lock")),
    (re.compile(r"\bcomposer install\b"), ("composer.json", "composer.lock")),
    (re.compile(r"\bgo mod download\b"), ("go.mod", "go.sum")),
    (re.compile(r"\bcargo (?:fetch|build)\b"), ("Cargo.toml", "Cargo.lock")),
    (re.compile(r"\bmvn\b.*\bdependency:"), ("pom.xml",)),
    (re.compile(r"\b(?:apt-get|apt|apk|dnf|yum)\b.*\b(?:install|add)\b"), ()),
)
_SECRET_NAME = re.compile(r"\b(\w*(?:TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|PRIVATE_KEY)\w*)\b", re.IGNORECASE)


def advise(facts: ImageFacts) -> tuple[Advice, ...]:
    """All advice, in the order of what it is likely to be worth: time first, then size."""
    found = [advice for rule in _RULES for advice in rule(facts)]
    return tuple(sorted(found, key=lambda advice: (-advice.seconds, -advice.bytes, advice.line)))


def _order(facts: ImageFacts) -> Iterator[Advice]:
    """Dependencies are installed after the whole source was copied."""
    for stage in facts.dockerfile.stages:
        broad = next((step for step in stage.instructions if _copies_all(step)), None)
        if broad is None:
            continue
        for step in stage.instructions:
            if (
                step.line > broad.line
                and step.keyword == "RUN"
                and (files := _manifests(step, facts)) is not None
            ):
                seconds = facts.took(step)
                cost = f", {seconds:.1f} s" if seconds else ""
                first = f"copy {' and '.join(files)} alone, install, then" if files else "install first, then"
                yield Advice(
                    "order",
                    f"any changed file repeats `{_short(step)}` (line {step.line}{cost}), "
                    f"because `{broad.text}` comes before it",
                    f"{first} copy the rest",
                    line=broad.line,
                    seconds=seconds,
                    bytes=facts.weighs(step),
                )


def _context(facts: ImageFacts) -> Iterator[Advice]:
    """The context holds what images are seldom made of, or is large."""
    context = facts.context
    spare = sum(size for _, size in context.dispensable)
    if spare < WORTH and not context.is_large:
        return
    named = folders_text(context.dispensable) or folders_text(context.folders)
    where = "a .dockerignore" if context.ignore is None else context.ignore.name
    yield Advice(
        "context",
        f"the build context is {figures.size(context.size)} ({named})",
        f"name in {where} what the image does not need: "
        + " ".join(path for path, _ in (context.dispensable or context.folders)[:5]),
        bytes=spare or context.size,
    )


def _base(facts: ImageFacts) -> Iterator[Advice]:
    """The base image has no tag of its own, or is the large variant of one that has a small one."""
    base, size = facts.base, facts.base_size
    name, _, tag = base.rpartition("/")[2].partition("@")[0].partition(":")
    line = facts.result[0].line if facts.result else 0
    if not base or base.lower() == "scratch":
        return
    if "@sha256:" not in base and tag in ("", "latest"):
        yield Advice(
            "unpinned",
            f"`{base}` is whatever was newest when it was pulled; a new one changes every layer "
            f"({figures.size(facts.size)} to send)",
            f"name a version: `FROM {base.removesuffix(':latest')}:VERSION`",
            line=line,
            bytes=facts.size,
        )
    if (
        name in ("python", "node", "ruby", "php", "debian", "openjdk", "eclipse-temurin", "perl")
        and tag
        and not re.search(r"slim|alpine|jre|distroless", tag)
    ):
        yield Advice(
            "base",
            f"the base image `{base}` is {figures.size(size)} of {figures.size(facts.size)}",
            f"look for a smaller variant of it, such as `{name}:{tag}-slim`",
            line=line,
            bytes=size,
        )


def _largest(facts: ImageFacts) -> Iterator[Advice]:
    """What a large image is made of."""
    if facts.size < _LARGE_IMAGE:
        return
    heavy = sorted(facts.result, key=facts.weighs, reverse=True)[:3]
    parts = [f"base {figures.size(facts.base_size)}"]
    parts += [
        f"line {step.line} {figures.size(facts.weighs(step))}"
        for step in heavy
        if facts.weighs(step) >= WORTH
    ]
    yield Advice(
        "size",
        f"the image is {figures.size(facts.size)}: {', '.join(parts)}",
        "start with the largest; a layer that does not change is sent once, all others each time they do",
        line=heavy[0].line if heavy else 0,
        bytes=facts.size,
    )


def _slow(facts: ImageFacts) -> Iterator[Advice]:
    """A slow installation that starts from nothing each time it is repeated."""
    for step in facts.dockerfile.instructions:
        slow = facts.took(step) >= _SLOW and "--mount=type=cache" not in step.text
        if slow and step.keyword == "RUN" and _manifests(step, facts):
            yield Advice(
                "cache-mount",
                f"`{_short(step)}` took {facts.took(step):.1f} s and downloads everything each time it is repeated",
                "give it a cache: `RUN --mount=type=cache,target=...` (needs BuildKit)",
                line=step.line,
                seconds=facts.took(step),
            )


def _secrets(facts: ImageFacts) -> Iterator[Advice]:
    """Values that look like secrets can be read out of the image's history."""
    for step in facts.result:
        if step.keyword not in ("ARG", "ENV"):
            continue
        for name in dict.fromkeys(_SECRET_NAME.findall(step.arguments.partition("=")[0])):
            shown = sum(f"{name}=" in entry.created_by for entry in facts.history)
            if shown:
                yield Advice(
                    "secret",
                    f"the value of `{name}` can be read in the image's history, in {shown} "
                    f"{'place' if shown == 1 else 'places'}",
                    "use `build.secrets` and `RUN --mount=type=secret`",
                    line=step.line,
                )


_RULES: tuple[Callable[[ImageFacts], Iterator[Advice]], ...] = (
    _order, _context, multi_stage, left_behind, doubled, many_layers, _base, _largest, _slow, _secrets,
)  # fmt: skip


def _copies_all(step: Instruction) -> bool:
    """Whether a COPY or ADD takes the whole context."""
    return step.keyword in ("COPY", "ADD") and any(
        source.strip("/") in ("", ".", "*") for source in context_sources(step)
    )


def _manifests(step: Instruction, facts: ImageFacts) -> tuple[str, ...] | None:
    """The files that an installation goes by, those that the context has; None for no installation."""
    for pattern, names in _INSTALLERS:
        if pattern.search(step.text):
            return tuple(name for name in names if name in facts.context.files)
    return None


def _short(step: Instruction) -> str:
    return step.text if len(step.text) <= 60 else f"{step.text[:57]}..."
