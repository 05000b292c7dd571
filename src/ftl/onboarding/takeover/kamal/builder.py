"""Kamal's builder: `build` of each service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.onboarding.takeover.kamal.declared import secrets_of
from ftl.onboarding.takeover.nodes import entries, is_valid, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_NEEDS_YOU = {
    "pack": "FTL builds from a Dockerfile: `ftl init` (without --from) writes one for known stacks",
    "ssh": "FTL has none: pass a deploy key as one of `secrets` below `build`",
}


def build_of(kamal: KamalConversion) -> dict[str, object]:
    """The build that all roles share."""
    build: dict[str, object] = {"context": "."}
    for key, node in entries(kamal.root.get("builder")).items():
        name = f"builder.{key}"
        match key:
            case "context" | "dockerfile" | "target":
                build[key] = kamal.text(node)
                kamal.add(name, Verdict.CHANGED, f"build.{key}", node)
            case "args":
                build["args"] = {arg: kamal.text(value) for arg, value in entries(node).items()}
                kamal.add(name, Verdict.CHANGED, "build.args", node)
            case "secrets":
                _secrets(kamal, build, name, node)
            case "arch":
                kamal.add(name, Verdict.LEFT_OUT, "images are built for the server's platform", node)
            case "remote":
                _remote(kamal, build, name, node)
            case "cache":
                _cache(kamal, build, name, node)
            case _ if key in _NEEDS_YOU:
                kamal.add(name, Verdict.NEEDS_YOU, _NEEDS_YOU[key], node)
            case _:
                kamal.add(name, Verdict.LEFT_OUT, "the docker command's own builder is used", node)
    if "context" not in entries(kamal.root.get("builder")):
        kamal.draft.is_of_commits = True
        what = (
            "build.context: this folder, with changes that are not committed; Kamal built a clone of what is"
        )
        kamal.add("builder.context", Verdict.CHANGED, f"{what}. A new .dockerignore has what git ignores")
    if not (kamal.base / str(build["context"])).is_dir():
        kamal.add("builder.context", Verdict.NEEDS_YOU, f"there is no folder {build['context']}")
    return build


def _secrets(kamal: KamalConversion, build: dict[str, object], name: str, node: Node) -> None:
    wanted = [text(item) for item in items(node)]
    printed = {item: source for item in wanted if (source := kamal.sources.printed.get(item)) is not None}
    if printed:
        kamal.draft.top["secrets"] = {**secrets_of(kamal.draft), **printed}
    known = [item for item in wanted if item in kamal.texts.variables or item in printed]
    if known:
        build["secrets"] = known
    missing = [item for item in wanted if item not in known]
    composed = [item for item in missing if item in kamal.sources.composed]
    unset = [item for item in missing if item not in composed]
    how = [f"set {', '.join(unset)}"] if unset else []
    how += [f"write `{item}={kamal.sources.composed[item]}` into .env" for item in composed]
    todo = f"{', '.join(how)}, and write {', '.join(missing)} as `secrets` below `build`"
    kamal.add(
        name, Verdict.NEEDS_YOU if missing else Verdict.CHANGED, todo if missing else "build.secrets", node
    )


def _remote(kamal: KamalConversion, build: dict[str, object], name: str, node: Node) -> None:
    """`ssh://USER@HOST:PORT`: the host, with what ssh must know of it."""
    match = re.fullmatch(r"ssh://(?:([^@/]+)@)?([^@:/]+)(?::([0-9]+))?/?", kamal.text(node))
    if match is None or not is_valid(addresses.ssh_host, match[2]):
        kamal.add(name, Verdict.NEEDS_YOU, "write the host as `build.on`", node)
        return
    user, build["on"], port = match.groups()
    parts = [*([f"User {user}"] if user else []), *([f"Port {port}"] if port else [])]
    if parts:
        needed = f"`build.on`; `{'` and `'.join(parts)}` for {match[2]} belong in ~/.ssh/config"
        kamal.add(name, Verdict.NEEDS_YOU, needed, node)
    else:
        kamal.add(name, Verdict.CHANGED, "build.on", node)


def _cache(kamal: KamalConversion, build: dict[str, object], name: str, node: Node) -> None:
    """GitHub's cache; one in a registry has a name that only Kamal completes."""
    if text(entries(node).get("type")) == "gha":
        build["cache"] = "gha"
        kamal.add(name, Verdict.CHANGED, "build.cache", node)
    else:
        image = kamal.text(entries(node).get("image")) or f"{kamal.text(kamal.root.get('image'))}-build-cache"
        server = kamal.text(entries(kamal.root.get("registry")).get("server")) or "docker.io"
        todo = f"write `cache: {server}/{image}` below `build`, and log in to {server}; FTL writes it where $CI is set"
        kamal.add(name, Verdict.NEEDS_YOU, todo, node)
