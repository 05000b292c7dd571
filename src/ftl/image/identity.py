"""What an image is, apart from when and by which engine it was built."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.engine import Image

_FIELDS = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)
"""The parts of the config that a container runs by. The others are left over from the classic builder
(Hostname, Image, AttachStdin, ...) or differ with the engine's version (ArgsEscaped, OnBuild, Domainname)."""


def content_id(image: Image) -> str:
    """A digest of the layers and of what a container of the image would run.

    Stable across engines (20.10 to 28) and their stores, and across builds that differ in time, git commit or
    other `ftl.*` labels alone: equal ids mean that a container need not be replaced. Empty values (null, {},
    [], "") are left out, since engines differ in which of them they write.
    """
    config = {name: _normal(name, image.config.get(name)) for name in _FIELDS}
    labels = image.config.get("Labels")
    own = (
        {key: value for key, value in labels.items() if not key.startswith("ftl.")}
        if isinstance(labels, Mapping)
        else {}
    )
    content = {
        "layers": list(image.layers),
        "config": {name: value for name, value in {**config, "Labels": own}.items() if value},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _normal(name: str, value: object) -> object:
    """A value as all engines would write it. The order of lists stays: Cmd and Env mean it."""
    if name == "WorkingDir" and value == "/":  # BuildKit writes the default down
        return ""
    if name == "Healthcheck" and isinstance(value, Mapping):  # durations of 0 are the defaults
        return {key: item for key, item in value.items() if item}
    if name in ("ExposedPorts", "Volumes") and isinstance(value, Mapping):  # sets, written as maps to {}
        return sorted(value)
    return value
