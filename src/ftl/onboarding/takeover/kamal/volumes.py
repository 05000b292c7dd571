"""Volumes of Kamal's roles and accessories, which have the very name that is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.nodes import items
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_FIRST = re.compile(r"((?:\$\$|\$\{[^{}]*\}|[^:])*)(:?)(.*)", re.DOTALL)


def parted(text: str) -> tuple[str, str, str]:
    """A text of ftl.yaml at its first colon, which is not that of a variable: `${NAME:?}`."""
    match = _FIRST.fullmatch(text)
    return (match[1], match[2], match[3]) if match is not None else (text, "", "")


def volumes_of(kamal: KamalConversion, key: str, node: Node | None, dependency: str = "") -> list[str]:
    """Volumes; one whose name begins with the service's is FTL's volume of the rest of the name."""
    found: list[str] = []
    for index, item in enumerate(items(node)):
        source, colon, rest = parted(kamal.text(item))
        if source.startswith((".", "~")):
            todo = f"{source} is below the user's home on the server: write `/home/USER/...{colon}{rest}` in its place"
            kamal.add(f"{key}[{index}]", Verdict.NEEDS_YOU, todo, item)
            if dependency:
                kamal.draft.note(dependency, f"volumes: {todo}")
            continue
        own = source.removeprefix(f"{kamal.draft.name}_")
        found.append(f"{own}{colon}{rest}")
        volume = f"{kamal.project}_{own}"
        if "${" in source and not kamal.texts.resolve(source).startswith("/"):
            todo = f"{source} is a variable here: if it names a volume, FTL's begins with {kamal.project}_ and is empty"
            kamal.add(f"{key}[{index}]", Verdict.NEEDS_YOU, f"{todo} at first: copy the data into it", item)
            continue
        if source.startswith(("/", "$")) or volume == source:
            kamal.add(f"{key}[{index}]", Verdict.TAKEN, "the same data", item)
            continue
        copy = f"docker run --rm -v {source}:/from -v {volume}:/to busybox cp -a /from/. /to"
        todo = f"FTL's volume is {volume}, empty at first: copy the data of {source} into it on the server, `{copy}`"
        kamal.add(f"{key}[{index}]", Verdict.NEEDS_YOU, todo, item)
        if dependency:
            kamal.draft.note(dependency, f"volumes: {todo}")
    return found
