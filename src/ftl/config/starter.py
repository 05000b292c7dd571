"""The first ftl.yaml, which `ftl init` writes: small, commented and adapted to the folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.config.values.scalars import InvalidValue, name
from ftl.files import read_small_file

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 8000
_EXPOSE = re.compile(r"^\s*EXPOSE\s+([0-9]{1,5})(?:/tcp)?\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DetectedApp:
    """The app in a folder.

    Attributes:
        name: A project name, made from the folder's.
        dockerfile: Whether the folder has a Dockerfile.
        port: The first port of the last EXPOSE in the Dockerfile.
    """

    name: str
    dockerfile: bool
    port: int | None


def detect_app(folder: Path) -> DetectedApp:
    """Inspect the app in a folder."""
    try:
        text = read_small_file(folder / "Dockerfile").decode("utf-8", "replace")
    except OSError:
        text = None
    exposed = [int(port) for port in _EXPOSE.findall(text or "") if 0 < int(port) < 65536]
    return DetectedApp(_name(folder.resolve().name), text is not None, exposed[-1] if exposed else None)


def _name(folder: str) -> str:
    candidate = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:63].strip("-")
    try:
        return name(candidate)
    except InvalidValue:
        return "app"


def starter_yaml(app: DetectedApp) -> str:
    """The text of a first ftl.yaml."""
    return _TEXT.format(name=app.name, domain=f"{app.name}.example.com ", port=app.port or DEFAULT_PORT)


_TEXT = """\
# `ftl validate` checks this file, `ftl plan` shows what a deploy would do, `ftl deploy` does it.
project:
  name: {name}
  domain: {domain:<21}# its DNS must point to the server
  email: ops@example.com       # contact for the authority that issues the certificate

# The server to deploy to. Default: the domain's, as the current user, with ssh's settings. Or:
# server:
#   host: 203.0.113.7          # also a Host of ~/.ssh/config
#   user: deploy

services:
  - name: web
    build: .                   # the folder with the Dockerfile
    port: {port:<20} # port that the app listens on
    routes:
      - path: /
    health_check:
      path: /                  # must respond with 2xx before a new release gets requests
    # env:
    #   DATABASE_URL: postgresql://postgres:${{POSTGRES_PASSWORD}}@postgres:5432/postgres
    # hooks:
    #   pre: ./manage.py migrate   # in the new image, before it starts; if it fails, the old release stays
    # volumes:
    #   - uploads:/srv/uploads

# Databases and caches; their passwords come from the environment or from .env beside this file.
# dependencies:
#   - postgres:16
#   - redis:7
"""
