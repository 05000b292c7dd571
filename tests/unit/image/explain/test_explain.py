"""Advice from measured facts: when each rule applies, its figure, and when it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ftl.image.building.inputs.context import Context, ContextFile
from ftl.image.building.inputs.dockerfile import LAYER_KEYWORDS, parse
from ftl.image.explain.facts import ImageFacts
from ftl.image.explain.history import HistoryEntry
from ftl.image.explain.rules import advise

MB = 1_000_000


def facts(
    source: str,
    *,
    sizes: dict[int, int] | None = None,
    seconds: dict[int, float] | None = None,
    base: int = 50 * MB,
    context: Context | None = None,
    history: tuple[HistoryEntry, ...] | None = None,
    target: str | None = None,
) -> ImageFacts:
    """Facts about an image built from `source`, with layer sizes and durations by line."""
    dockerfile = parse(source)
    sizes = sizes or {}
    layers = [step for step in dockerfile.image_instructions(target) if step.keyword in LAYER_KEYWORDS]
    entries = tuple(HistoryEntry(f"{step.text} # buildkit", sizes.get(step.line, 0)) for step in layers)
    return ImageFacts(
        dockerfile=dockerfile,
        target=target,
        context=context or Context(Path("/app"), files={"requirements.txt": ContextFile(1, 1, 0o644)}),
        size=base + sum(entry.size for entry in entries),
        history=(HistoryEntry("ADD file:1 in /", base), *entries) if history is None else history,
        seconds=seconds or {},
    )


def advice_of(about: ImageFacts, rule: str) -> list[tuple[int, str, str]]:
    """(line, text, hint) of one rule's advice."""
    return [(advice.line, advice.text, advice.hint) for advice in advise(about) if advice.rule == rule]


def test_copying_everything_before_an_installation_is_reported() -> None:
    """The line, the step that re-runs, its duration, and the files to copy first."""
    source = "FROM x:1\nCOPY . .\nRUN pip install -r requirements.txt\n"
    assert advice_of(facts(source, seconds={3: 34.2}), "order") == [
        (
            2,
            "any file change re-runs `RUN pip install -r requirements.txt` (line 3, 34.2 s), because `COPY . .` "
            "comes before it",
            "first copy only requirements.txt and install, then copy the rest",
        )
    ]


@pytest.mark.parametrize(
    "source",
    [
        "FROM x:1\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n",
        "FROM x:1\nCOPY . .\nRUN python -m compileall .\n",
        "FROM x:1\nCOPY --from=other . .\nRUN pip install x\n",
        "FROM x:1 AS a\nCOPY . .\nFROM x:1\nRUN pip install x\n",
    ],
)
def test_a_good_order_gets_no_advice(source: str) -> None:
    """Installing first, in another stage, or not at all is fine."""
    assert advice_of(facts(source), "order") == []


def test_dispensable_folders_in_the_context_are_listed() -> None:
    """Folders that images rarely need are listed with their sizes."""
    context = Context(Path("/app"), size=64 * MB, folders=(("node_modules", 60 * MB), (".git", 3 * MB)))
    assert advice_of(facts("FROM x:1\n", context=context), "context") == [
        (
            0,
            "the build context is 64.0 MB (node_modules 60.0 MB, .git 3.0 MB)",
            "exclude what the image does not need in a .dockerignore: node_modules .git",
        )
    ]


def test_a_small_context_gets_no_advice() -> None:
    """Some kilobytes of .git are not reported."""
    context = Context(Path("/app"), size=2 * MB, folders=((".git", 90_000),))
    assert advice_of(facts("FROM x:1\n", context=context), "context") == []


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("apt-get update && apt-get install -y --no-install-recommends gcc libpq-dev", "gcc, libpq-dev"),
        ("apk add --no-cache build-base", "build-base"),
    ],
)
def test_build_tools_in_the_image_are_reported(run: str, words: str) -> None:
    """Compilers and headers belong in a separate build stage; the figure is their layer."""
    [(line, text, hint)] = advice_of(facts(f"FROM x:1\nRUN {run}\n", sizes={2: 172 * MB}), "multi-stage")
    assert (line, words in text, "172.0 MB" in text, "COPY --from" in hint) == (2, True, True, True)


@pytest.mark.parametrize(
    "source",
    [
        "FROM x:1 AS build\nRUN apt-get install -y gcc\nFROM x:1\nCOPY --from=build /a /a\n",
        "FROM x:1\nRUN apt-get install -y gcc && make && apt-get purge -y gcc\n",
        "FROM x:1\nRUN apt-get install -y curl postgresql-client\n",
    ],
)
def test_build_tools_outside_the_image_get_no_advice(source: str) -> None:
    """Tools of another stage, or removed in the same RUN, are not in the image."""
    assert advice_of(facts(source, sizes={2: 99 * MB}), "multi-stage") == []


def test_compiling_in_the_final_stage_counts_the_base() -> None:
    """The toolchain's base image is part of the result."""
    [(_, text, _)] = advice_of(
        facts("FROM golang:1\nCOPY . .\nRUN go build ./...\n", base=800 * MB, sizes={3: 40 * MB}),
        "multi-stage",
    )
    assert "840.0 MB" in text


@pytest.mark.parametrize(
    ("rule", "wasteful", "frugal"),
    [
        ("apt-lists", "apt-get update && apt-get install -y x",
         "apt-get update && apt-get install -y x && rm -rf /var/lib/apt/lists/*"),
        ("apt-recommends", "apt-get install -y x", "apt-get install -y --no-install-recommends x"),
        ("pip-cache", "pip install x", "pip install --no-cache-dir x"),
        ("pip-cache", "pip install x", "--mount=type=cache,target=/root/.cache pip install x"),
        ("apk-cache", "apk add x", "apk add --no-cache x"),
        ("npm-dev", "npm ci", "npm ci --omit=dev"),
        ("copied-twice", "chown -R app /srv", "chown app /srv"),
    ],
)  # fmt: skip
def test_unneeded_files_of_a_command_are_reported(rule: str, wasteful: str, frugal: str) -> None:
    """Lists, caches, recommended packages, second copies: reported with the layer's size, unless avoided."""
    [(line, text, hint)] = advice_of(facts(f"FROM x:1\nRUN {wasteful}\n", sizes={2: 48 * MB}), rule)
    assert (line, "48.0 MB" in text, bool(hint)) == (2, True, True)
    assert advice_of(facts(f"FROM x:1\nRUN {frugal}\n", sizes={2: 48 * MB}), rule) == []


def test_an_earlier_env_counts() -> None:
    """ENV PIP_NO_CACHE_DIR has the same effect as the flag."""
    about = facts("FROM x:1\nENV PIP_NO_CACHE_DIR=1\nRUN pip install x\n", sizes={3: 48 * MB})
    assert advice_of(about, "pip-cache") == []


def test_a_tiny_layer_gets_no_advice() -> None:
    """Waste below a megabyte is not reported."""
    assert advice_of(facts("FROM x:1\nRUN apk add x\n", sizes={2: 90_000}), "apk-cache") == []


def test_consecutive_runs_are_counted() -> None:
    """Five RUNs in a row are reported, four are not."""
    runs = "".join(f"RUN step {number}\n" for number in range(5))
    [(line, text, _)] = advice_of(facts(f"FROM x:1\n{runs}", sizes={2: 4 * MB, 4: 6 * MB}), "layers")
    assert (line, text.startswith("5 RUNs in a row make 5 layers, 10.0 MB in total")) == (2, True)
    assert advice_of(facts(f"FROM x:1\n{runs.replace('RUN step 4', 'USER a')}"), "layers") == []


@pytest.mark.parametrize(
    ("base", "unpinned"),
    [("python", True), ("python:latest", True), ("python:3.12-slim", False), ("localhost:5000/app", True),
     (f"python@sha256:{'a' * 64}", False), ("scratch", False)],
)  # fmt: skip
def test_a_base_without_a_version_is_unpinned(base: str, unpinned: bool) -> None:
    """No tag, or `latest`, is no version; a digest or another tag is."""
    assert bool(advice_of(facts(f"FROM {base}\nRUN x\n"), "unpinned")) is unpinned


@pytest.mark.parametrize(
    ("base", "large"), [("python:3.12", True), ("python:3.12-slim", False), ("my/app:1", False)]
)
def test_a_large_base_with_a_small_variant_is_reported(base: str, large: bool) -> None:
    """The figure is the base's share of the image."""
    advice = advice_of(facts(f"FROM {base}\nRUN x\n", base=900 * MB), "base")
    assert bool(advice) is large
    assert not large or "900.0 MB of 900.0 MB" in advice[0][1]


def test_a_large_image_lists_its_largest_parts() -> None:
    """The largest layers and the base, largest first."""
    about = facts("FROM my/base:1\nCOPY a /\nRUN b\n", base=100 * MB, sizes={2: 5 * MB, 3: 400 * MB})
    [(_, text, _)] = advice_of(about, "size")
    assert text == "the image is 505.0 MB: base 100.0 MB, line 3 400.0 MB, line 2 5.0 MB"


def test_a_slow_installation_should_have_a_cache_mount() -> None:
    """An installation that takes ten seconds or more is reported."""
    source = "FROM x:1\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n"
    [(line, text, _)] = advice_of(facts(source, seconds={3: 31.0}), "cache-mount")
    assert (line, "31.0 s" in text) == (3, True)
    assert advice_of(facts(source, seconds={3: 9.0}), "cache-mount") == []


def test_a_secret_in_the_history_is_counted() -> None:
    """A token passed as ARG can be read by everyone who has the image."""
    history = (
        HistoryEntry("RUN |1 NPM_TOKEN=abc /bin/sh -c npm ci # buildkit", 1),
        HistoryEntry("RUN |1 NPM_TOKEN=abc /bin/sh -c x", 1),
    )
    [(line, text, hint)] = advice_of(
        facts("FROM x:1\nARG NPM_TOKEN\nRUN npm ci\nRUN x\n", history=history), "secret"
    )
    assert (line, "in 2 places" in text, "build.secrets" in hint) == (2, True, True)


def test_advice_is_sorted_by_time_then_size() -> None:
    """Time comes first, because it is lost at every change."""
    source = "FROM x:1\nRUN apk add a\nCOPY . .\nRUN pip install --no-cache-dir x\n"
    rules = [advice.rule for advice in advise(facts(source, sizes={2: 70 * MB, 4: MB}, seconds={4: 9.0}))]
    assert rules == ["order", "apk-cache"]


def test_layers_are_matched_from_the_end() -> None:
    """The base image adds an unknown number of entries at the start."""
    about = facts(
        "FROM x:1\nRUN a\nCOPY b c\n",
        history=(
            HistoryEntry("RUN base", 7),
            HistoryEntry("COPY old", 8),
            HistoryEntry("RUN a", 100),
            HistoryEntry("COPY b c", 200),
        ),
        sizes={2: 100, 3: 200},
        base=15,
    )
    assert (about.layer_sizes, about.base_size) == ({2: 100, 3: 200}, 15)


def test_files_of_the_repository_in_the_image_are_reported() -> None:
    """With `.git` or ftl.yaml in the image, a commit or an edit alone replaces its containers."""
    files = {".git/HEAD": ContextFile(1, 1, 0o644), "ftl.yaml": ContextFile(1, 1, 0o644)}
    about = facts("FROM x:1\nCOPY . .\n", context=Context(Path("/app"), files=files))
    [(line, text, hint)] = advice_of(about, "repository")
    assert line == 2
    assert text.startswith(".git and ftl.yaml are in the image: each commit and each edit")
    assert hint == "add .git and ftl.yaml to .dockerignore"
    assert not advice_of(facts("FROM x:1\nCOPY requirements.txt .\n", context=about.context), "repository")


def test_a_stage_that_compiles_emulated_is_reported() -> None:
    """Of a build for another processor; not where it cross-compiles, and not the image's own steps, which cannot."""
    source = "FROM golang:1.25 AS build\nRUN go build\nFROM debian:12\nRUN apt-get update\nCOPY --from=build /a /a\n"
    about = replace(facts(source, seconds={2: 81.0}), platform="linux/amd64", engine_platform="linux/arm64")
    ((line, text, hint),) = advice_of(about, "emulated")
    assert line == 1
    assert "emulated (81.0 s)" in text
    assert "FROM --platform=$BUILDPLATFORM golang:1.25" in hint
    assert advice_of(replace(about, engine_platform="linux/amd64"), "emulated") == []
    cross = facts(source.replace("golang", "--platform=$BUILDPLATFORM golang"))
    assert advice_of(replace(cross, platform="linux/amd64", engine_platform="linux/arm64"), "emulated") == []
