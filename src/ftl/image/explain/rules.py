"""Rules that derive advice from measured facts about an image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common import figures
from ftl.image.building.diagnosis.cache_miss import context_sources
from ftl.image.building.diagnosis.emulation import SLOWDOWN
from ftl.image.building.diagnosis.private_files import names_text, repository_files, why_no_copy
from ftl.image.building.inputs.context import folders_text
from ftl.image.explain.facts import MIN_BYTES, Advice
from ftl.image.explain.waste import consecutive_runs, copied_twice, multi_stage, package_caches
from ftl.image.platforms import same_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.image.building.inputs.dockerfile import Instruction
    from ftl.image.explain.facts import ImageFacts

_LARGE_IMAGE = 300_000_000
_SLOW = 10.0
"""Seconds from which on an installation step should have a cache mount."""

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
    """Apply all rules; the advice is ordered by time saved, then size, then line."""
    advices = [advice for rule in _RULES for advice in rule(facts)]
    return tuple(sorted(advices, key=lambda advice: (-advice.seconds, -advice.bytes, advice.line)))


def _order(facts: ImageFacts) -> Iterator[Advice]:
    """Dependencies are installed after the whole source is copied."""
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
                seconds = facts.duration(step)
                cost = f", {seconds:.1f} s" if seconds else ""
                first = (
                    f"first copy only {' and '.join(files)} and install, then"
                    if files
                    else "install first, then"
                )
                yield Advice(
                    "order",
                    f"any file change re-runs `{_short(step)}` (line {step.line}{cost}), "
                    f"because `{broad.text}` comes before it",
                    f"{first} copy the rest",
                    line=broad.line,
                    seconds=seconds,
                    bytes=facts.layer_size(step),
                )


def _context(facts: ImageFacts) -> Iterator[Advice]:
    """The context has folders that images rarely need, or is large."""
    context = facts.context
    dispensable = sum(size for _, size in context.dispensable)
    if dispensable < MIN_BYTES and not context.is_large:
        return
    largest = folders_text(context.dispensable) or folders_text(context.folders)
    ignore = "a .dockerignore" if context.ignore is None else context.ignore.name
    yield Advice(
        "context",
        f"the build context is {figures.size(context.size)} ({largest})",
        f"exclude what the image does not need in {ignore}: "
        + " ".join(path for path, _ in (context.dispensable or context.folders)[:5]),
        bytes=dispensable or context.size,
    )


def _repository(facts: ImageFacts) -> Iterator[Advice]:
    """Files that change without the app are copied into the image."""
    names, line = repository_files(facts.context, facts.instructions)
    if names:
        yield Advice(
            "repository",
            f"{names_text(names)} {'is' if len(names) == 1 else 'are'} in the image: {why_no_copy(names)}",
            f"add {names_text(names)} to {facts.context.ignore_name}",
            line=line,
        )


def _base(facts: ImageFacts) -> Iterator[Advice]:
    """The base image has no version tag, or is the large variant of one that has a smaller variant."""
    base, size = facts.base, facts.base_size
    name, _, tag = base.rpartition("/")[2].partition("@")[0].partition(":")
    line = facts.instructions[0].line if facts.instructions else 0
    if not base or base.lower() == "scratch":
        return
    if "@sha256:" not in base and tag in ("", "latest"):
        yield Advice(
            "unpinned",
            f"`{base}` has no version tag: a newer image changes every layer ({figures.size(facts.size)} to send)",
            f"pin a version: `FROM {base.removesuffix(':latest')}:VERSION`",
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
            f"look for a smaller variant, such as `{name}:{tag}-slim`",
            line=line,
            bytes=size,
        )


def _largest(facts: ImageFacts) -> Iterator[Advice]:
    """The largest parts of a large image."""
    if facts.size < _LARGE_IMAGE:
        return
    heavy = sorted(facts.instructions, key=facts.layer_size, reverse=True)[:3]
    parts = [f"base {figures.size(facts.base_size)}"]
    parts += [
        f"line {step.line} {figures.size(facts.layer_size(step))}"
        for step in heavy
        if facts.layer_size(step) >= MIN_BYTES
    ]
    yield Advice(
        "size",
        f"the image is {figures.size(facts.size)}: {', '.join(parts)}",
        "start with the largest; an unchanged layer is sent only once, a changed one with each deploy",
        line=heavy[0].line if heavy else 0,
        bytes=facts.size,
    )


def _slow(facts: ImageFacts) -> Iterator[Advice]:
    """A slow installation without a cache mount."""
    for step in facts.dockerfile.instructions:
        slow = facts.duration(step) >= _SLOW and "--mount=type=cache" not in step.text
        if slow and step.keyword == "RUN" and _manifests(step, facts):
            yield Advice(
                "cache-mount",
                f"`{_short(step)}` took {facts.duration(step):.1f} s and downloads everything again each time it runs",
                "add a cache mount: `RUN --mount=type=cache,target=...`",
                line=step.line,
                seconds=facts.duration(step),
            )


def _secrets(facts: ImageFacts) -> Iterator[Advice]:
    """Values of variables with names like secrets are in the image's history."""
    for step in facts.instructions:
        if step.keyword not in ("ARG", "ENV"):
            continue
        for name in dict.fromkeys(_SECRET_NAME.findall(step.arguments.partition("=")[0])):
            count = sum(f"{name}=" in entry.created_by for entry in facts.history)
            if count:
                yield Advice(
                    "secret",
                    f"the value of `{name}` can be read in the image's history, in {count} "
                    f"{'place' if count == 1 else 'places'}",
                    "use `build.secrets` and `RUN --mount=type=secret`",
                    line=step.line,
                )


def _emulated(facts: ImageFacts) -> Iterator[Advice]:
    """Steps run for another processor than the builder's, in stages that the image only copies from."""
    if same_platform(facts.platform, facts.engine_platform):
        return
    own = {step.line for step in facts.instructions}
    steps = facts.dockerfile.emulated_steps(facts.target)
    for stage in facts.dockerfile.stages:
        emulated = [step for step in steps if step.stage == stage.index and step.line not in own]
        if not emulated:
            continue
        seconds = sum(facts.duration(step) for step in emulated)
        cost = f" ({seconds:.1f} s)" if seconds else ""
        yield Advice(
            "emulated",
            f"this stage runs for {facts.platform} on a builder that is {facts.engine_platform}: emulated{cost}, "
            f"{SLOWDOWN} elsewhere",
            f"if its compiler can cross-compile, begin it with `FROM --platform=$BUILDPLATFORM {stage.base}` and build "
            f"for `$TARGETARCH`; else `build.on` may be a machine that is {facts.platform}",
            line=stage.instructions[0].line,
            seconds=seconds,
        )


_RULES: tuple[Callable[[ImageFacts], Iterator[Advice]], ...] = (
    _order, _context, _repository, multi_stage, package_caches, copied_twice, consecutive_runs, _base, _largest, _slow,
    _secrets, _emulated,
)  # fmt: skip


def _copies_all(step: Instruction) -> bool:
    """Whether a COPY or ADD takes the whole context."""
    return step.keyword in ("COPY", "ADD") and any(
        source.strip("/") in ("", ".", "*") for source in context_sources(step)
    )


def _manifests(step: Instruction, facts: ImageFacts) -> tuple[str, ...] | None:
    """Dependency files of the context that an installation reads; None if it is no installation."""
    for pattern, names in _INSTALLERS:
        if pattern.search(step.text):
            return tuple(name for name in names if name in facts.context.files)
    return None


def _short(step: Instruction) -> str:
    return step.text if len(step.text) <= 60 else f"{step.text[:57]}..."
