"""Secrets that a Dockerfile mounts, compared with those that the build has."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.events import Note

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

_MOUNT = re.compile(r"--mount=(?:\"([^\"]*)\"|(\S*))")


def mounted_secrets(instruction: Instruction) -> Iterator[str]:
    """IDs of the secrets that a RUN mounts.

    Without `id` it is the name of the target (moby/buildkit, parseMount).
    """
    if instruction.keyword != "RUN":
        return
    for match in _MOUNT.finditer(" ".join(instruction.flags)):
        options = dict(part.partition("=")[::2] for part in (match[1] or match[2]).split(","))
        target = next((options[key] for key in ("target", "dst", "destination") if key in options), "")
        if options.get("type") == "secret" and (name := options.get("id") or posixpath.basename(target)):
            yield name


def unused_secrets_note(service: str, dockerfile: Dockerfile, given: Collection[str]) -> Note | None:
    """A warning about secrets of the build that no RUN mounts: nothing can read them."""
    mounted = {name for step in dockerfile.instructions for name in mounted_secrets(step)}
    if any("$" in name for name in mounted):
        return None  # by an ARG
    unused = [name for name in given if name not in mounted]
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
