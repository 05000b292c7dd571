"""Fingerprint of the proxy's container settings, the value of its label `ftl.config`.

Servers have the label, and an upgrade replaces a proxy whose label differs. So equal settings must give the value that
FTL 0.1.0 gave, which was a digest of the spec's `repr`: a field that was added to these classes since then counts only
where it is set (tests/unit/test_contract.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.engine.specs import ContainerSpec

_FIELDS = {
    "ContainerSpec": (
        "image", "labels", "env", "command", "entrypoint", "networks", "mounts", "publish", "ulimits", "healthcheck",
        "restart", "stop_timeout", "dns_options", "sysctls",
    ),
    "Mount": ("source", "target", "read_only"),
    "Publish": ("container_port", "host_port", "address", "protocol"),
}  # fmt: skip
"""Fields that the classes had in 0.1.0."""


def fingerprint(spec: ContainerSpec) -> str:
    """Digest of a container's settings apart from its image."""
    return hashlib.sha256(_text(replace(spec, image="")).encode()).hexdigest()[:16]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value)
    name = type(value).__name__
    settings = {field.name: getattr(value, field.name) for field in fields(value)}
    added = {
        field.name
        for field in fields(value)
        if field.name not in _FIELDS[name]
        and settings[field.name]
        == (field.default if field.default_factory is MISSING else field.default_factory())
    }
    return (
        f"{name}({', '.join(f'{key}={_text(item)}' for key, item in settings.items() if key not in added)})"
    )
