"""Faults of a Dockerfile that a builder would refuse before it needs a base image."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

from ftl.image.building.inputs.dockerfile import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

# Of the Dockerfile reference (frontend 1): flags of each instruction that has some.
FLAGS = {
    "FROM": {"platform"},
    "RUN": {"mount", "network", "security"},
    "COPY": {"from", "chown", "chmod", "link", "parents", "exclude"},
    "ADD": {"chown", "chmod", "link", "checksum", "keep-git-dir", "exclude"},
    "HEALTHCHECK": {"interval", "timeout", "start-period", "start-interval", "retries"},
}
KEYWORDS = {
    "ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    *FLAGS,
}  # fmt: skip
MOUNTS = {
    "cache": {"id", "target", "dst", "readonly", "ro", "sharing", "from", "source", "mode", "uid", "gid"},
    "bind": {"target", "dst", "source", "from", "rw", "readwrite"},
    "secret": {"id", "target", "dst", "required", "mode", "uid", "gid", "env"},
    "tmpfs": {"target", "dst", "size"},
}


def faults(text: str) -> list[str]:
    """All faults, with their lines."""
    return [f"line {line}: {fault}" for line, fault in _faults(parse(text))]


def _faults(dockerfile: Dockerfile) -> Iterator[tuple[int, str]]:
    used: set[str] = set()
    for stage in dockerfile.stages:
        earlier = {other.name for other in dockerfile.stages[: stage.index] if other.name}
        used |= {stage.base} & earlier
        for instruction in stage.instructions:
            for fault in _of_instruction(instruction):
                yield instruction.line, fault
            for flag in instruction.flags:
                if flag.startswith("--from="):
                    source = flag.partition("=")[2]
                    used.add(source)
                    if source not in earlier and not re.search(r"[/:]", source):
                        yield instruction.line, f"there is no stage {source}"
    for stage in dockerfile.stages[:-1]:
        if stage.name not in used:
            yield stage.instructions[0].line, f"nothing uses the stage {stage.name or stage.index}"


def _of_instruction(instruction: Instruction) -> Iterator[str]:
    keyword, arguments = instruction.keyword, instruction.arguments
    if keyword not in KEYWORDS:
        yield f"{keyword} is no instruction"
        return
    for flag in instruction.flags:
        name, _, value = flag.removeprefix("--").partition("=")
        if name not in FLAGS.get(keyword, set()):
            yield f"{keyword} has no flag --{name}"
        elif name == "mount":
            yield from _of_mount(dict(part.partition("=")[::2] for part in value.split(",")))
    words = arguments.split()[len(instruction.flags) :]
    if not words:
        yield f"{keyword} has no argument"
    elif words[0].startswith("["):
        try:
            command = json.loads(" ".join(words))
        except ValueError:
            yield f"{keyword} is not a JSON array"
        else:
            if not all(isinstance(word, str) for word in command):
                yield f"{keyword} has words that are not texts"
    elif keyword in ("RUN", "CMD", "ENTRYPOINT") and "<<" not in arguments:
        line = arguments
        for flag in instruction.flags:
            line = line.partition(flag)[2]
        done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, timeout=10)
        if done.returncode:
            yield f"{keyword}: {done.stderr.strip()}"
    elif keyword in ("COPY", "ADD") and len(words) < 2:
        yield f"{keyword} needs a source and a target"
    elif keyword == "ENV" and not all("=" in word for word in words[:1]):
        yield "ENV without ="


def _of_mount(mount: dict[str, str]) -> Iterator[str]:
    kind = mount.pop("type", "bind")
    if kind not in MOUNTS:
        yield f"there are no mounts of the type {kind}"
        return
    yield from (f"a mount of the type {kind} has no {key}" for key in mount.keys() - MOUNTS[kind])
    if kind == "cache" and not {"target", "dst"} & mount.keys():
        yield "a cache has no target"
