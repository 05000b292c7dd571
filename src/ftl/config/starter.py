"""The ftl.yaml that `ftl init` writes: small, commented, and as right as a look at the folder can make it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.config.read.scalars import InvalidValue, name

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 8000
_EXPOSE = re.compile(r"^\s*EXPOSE\s+([0-9]{1,5})(?:/tcp)?\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DetectedApp:
    """What a folder shows of the app in it.

    Attributes:
        name: A project name made of the folder's.
        dockerfile: Whether there is a Dockerfile.
        port: What it exposes last, if anything.
    """

    name: str
    dockerfile: bool
    port: int | None


def detect_app(folder: Path) -> DetectedApp:
    """Look at a folder."""
    file = folder / "Dockerfile"
    text = file.read_text("utf-8", "replace") if file.is_file() else None
    exposed = [int(port) for port in _EXPOSE.findall(text or "") if 0 < int(port) < 65536]
    return DetectedApp(_name(folder.resolve().name), text is not None, exposed[-1] if exposed else None)


def _name(folder: str) -> str:
    wanted = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:63].strip("-")
    try:
        return name(wanted)
    except InvalidValue:
        return "app"


def starter_yaml(found: DetectedApp) -> str:
    """The text of a first ftl.yaml."""
    return _TEXT.format(name=found.name, domain=f"{found.name}.example.com ", port=found.port or DEFAULT_PORT)


_TEXT = """\
# What runs where. `ftl validate` checks this file, `ftl plan` shows what a deploy would do, `ftl deploy` does it.
project:
  name: {name}
  domain: {domain:<21}# its DNS must point to the server
  email: ops@example.com       # contact for the authority that signs the certificate

# Where it goes: the domain's server, as the current user, with ssh's own settings. Or:
# server:
#   host: 203.0.113.7          # also a Host of ~/.ssh/config
#   user: deploy

services:
  - name: web
    build: .                   # the folder with the Dockerfile
    port: {port:<20} # what the app listens on inside
    routes:
      - path: /
    health_check:
      path: /                  # must answer 2xx before a new release gets requests
    # env:
    #   DATABASE_URL: postgresql://postgres:${{POSTGRES_PASSWORD}}@postgres:5432/postgres
    # hooks:
    #   pre: ./manage.py migrate   # in the new image, before the switch; if it fails, the old release stays
    # volumes:
    #   - uploads:/srv/uploads

# Databases and caches; their passwords come from the environment or from .env beside this file.
# dependencies:
#   - postgres:16
#   - redis:7
"""
