"""Settings that a Dockerfile gives its image: ports, user, folder, volumes."""

from __future__ import annotations

import posixpath
import re
import shlex

from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass
from ftl.image.building.inputs.dockerfile import Instruction, expand, global_arguments, parse


def exposed_port(text: str) -> int | None:
    """The first port of the image's last EXPOSE, with values of ENV and defaults of ARG."""
    return next(iter(exposed_ports(text)), None)


def exposed_ports(text: str) -> list[int]:
    """All ports of the image, those of its last EXPOSE first."""
    dockerfile = parse(text)
    values = global_arguments(list(dockerfile.instructions))
    found: list[int] = []
    for step in dockerfile.image_instructions(None):
        if step.keyword in ("ENV", "ARG"):
            values |= _assignments(step.arguments, values)
        elif step.keyword == "EXPOSE":
            numbers = [word.partition("/")[0] for word in expand(step.arguments, values).split()]
            ports = [int(number) for number in numbers if re.fullmatch(r"[0-9]{1,5}", number)]
            found = [*(port for port in ports if 0 < port < 65536), *found]
    return found


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """The settings of a Dockerfile's image, with values of ENV and defaults of ARG.

    Attributes:
        base: The image at the bottom of its last stage.
        folder: Where a COPY of the whole context puts it, else WORKDIR; empty if neither is there.
        user: Without its group; empty for that of the base image.
        steps: Its instructions, those of base stages first.
    """

    base: str
    folder: str
    user: str
    volumes: tuple[str, ...]
    steps: tuple[Instruction, ...]


def image_settings(text: str) -> ImageSettings:
    """Find the settings of a Dockerfile's image."""
    dockerfile = parse(text)
    steps = dockerfile.image_instructions(None)
    values = global_arguments(list(dockerfile.instructions))
    workdir = code = user = base = ""
    volumes: list[str] = []
    for step in steps:
        if step.keyword in ("ENV", "ARG"):
            values |= _assignments(step.arguments, values)
            continue
        words = _words(expand(step.arguments, values))
        if step.keyword == "FROM" and words:
            base = base or next((word for word in words if not word.startswith("--")), "")
        elif step.keyword == "WORKDIR" and words:
            workdir = posixpath.normpath(posixpath.join(workdir or "/", words[0]))
        elif step.keyword == "USER" and words:
            user = words[0].partition(":")[0]
        elif step.keyword == "VOLUME":
            volumes += words
        elif step.keyword in ("COPY", "ADD"):
            *sources, target = [word for word in words if not word.startswith("--")] or [""]
            if {".", "./"} & set(sources) and not any(word.startswith("--from") for word in words):
                code = posixpath.normpath(posixpath.join(workdir or "/", target))
    return ImageSettings(base, code or workdir, user, tuple(volumes), steps)


def _words(arguments: str) -> list[str]:
    """Words of an instruction in either form, a JSON array or a line."""
    try:
        given = parse_json(arguments) if arguments.startswith("[") else shlex.split(arguments)
    except ValueError:
        return arguments.split()
    return [str(word) for word in given] if isinstance(given, list) else []


def _assignments(arguments: str, values: dict[str, str]) -> dict[str, str]:
    """Values of `A=1 B="2"`, or of the old form `ENV A 1`."""
    try:
        words = shlex.split(arguments)
    except ValueError:
        return {}
    if words and "=" not in words[0]:
        return {words[0]: expand(" ".join(words[1:]), values)} if len(words) > 1 else {}
    return {
        name: expand(value, values)
        for name, equals, value in (word.partition("=") for word in words)
        if equals
    }
