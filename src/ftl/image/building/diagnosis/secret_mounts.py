"""Secrets that a Dockerfile mounts, compared with those that the build has."""

from __future__ import annotations

import csv
import posixpath
import re
from typing import TYPE_CHECKING

from ftl.events import Note

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

_MOUNT = re.compile(r"--mount=((?:\"[^\"]*\"|'[^']*'|[^\s\"'])*)")
_LEADING = re.compile(r"(?:--[a-z]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s\"'])*)?\s+)*")
_OF_GIT = re.compile(r"GIT_AUTH_(?:TOKEN|HEADER)(?:\..+)?")
"""Secrets that BuildKit itself reads, for `ADD` of a repository."""


def mounted_secrets(instruction: Instruction) -> Iterator[str]:
    """IDs of the secrets that a RUN mounts.

    It is the source, which `id` names as well; else the name of the target (moby/buildkit, parseMount).
    """
    if instruction.keyword != "RUN":
        return
    flags = _LEADING.match(instruction.arguments)
    for match in _MOUNT.finditer(flags[0] if flags else ""):
        options = _options(match[1])
        sources = (options.get(key) for key in ("source", "src", "id"))
        target = next((options[key] for key in ("target", "dst", "destination") if key in options), "")
        name = next(filter(None, sources), posixpath.basename(target))
        if options.get("type", "").lower() == "secret" and name:
            yield name


def _options(written: str) -> dict[str, str]:
    """The options of a mount: a line of CSV, with quotes of the shell or of CSV."""
    if written[:1] == written[-1:] and written[:1] in ("'", '"') and written[0] not in written[1:-1]:
        written = written[1:-1]
    try:
        (fields,) = csv.reader([written])
    except csv.Error:  # a field of over 131,072 characters: no path, and no name, is so long
        return {}
    pairs = (each.partition("=") for each in fields)
    return {key.strip().lower(): value.strip("\"'") for key, _, value in pairs}


def unused_secrets_note(service: str, dockerfile: Dockerfile, given: Collection[str]) -> Note | None:
    """A warning about secrets of the build that no RUN mounts: nothing can read them."""
    mounted = {name for step in dockerfile.instructions for name in mounted_secrets(step)}
    if any("$" in name for name in mounted):
        return None  # by an ARG
    if any(step.keyword == "ONBUILD" for step in dockerfile.instructions):
        return None  # a build of another Dockerfile may mount it
    unused = [name for name in given if name not in mounted and not _OF_GIT.fullmatch(name)]
    if not unused:
        return None
    first = unused[0]
    text = f"{service}: no RUN of {dockerfile.path} mounts the build secret{'s'[: len(unused) > 1]} {', '.join(unused)}"
    if others := sorted(mounted - set(given)):
        return Note(text, "warning", hint=f"it mounts `{others[0]}`, if that is meant: {give(others[0])}")
    hint = f"write `RUN --mount=type=secret,id={first} ...` where it is read, from /run/secrets/{first}"
    return Note(text, "warning", hint=f"{hint}; else take it out of `build.secrets`")


def missing_secret_hint(instruction: Instruction | None, given: Collection[str]) -> str | None:
    """The hint about the first secret that a failed RUN mounts and the build has not."""
    names = mounted_secrets(instruction) if instruction is not None else ()
    missing = next((name for name in names if name not in given and "$" not in name), None)
    return f"it mounts the secret `{missing}`, which the build has not: {give(missing)}" if missing else None


def give(name: str) -> str:
    """Words for ftl.yaml that give a build a secret: by a variable of its name, or by a file."""
    if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        return f"write it into `build.secrets` of ftl.yaml, `[{name}]`, and `{name}=VALUE` into .env"
    return f'write it into `build.secrets` of ftl.yaml: `["id={name},src=FILE"]`, or `["id={name},env=VARIABLE"]`'
