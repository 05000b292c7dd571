"""The first ftl.yaml, which `ftl init` writes: small, commented and adapted to the folder."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ftl.config.values.scalars import InvalidValue, name

DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class DetectedApp:
    """The app in a folder.

    Attributes:
        name: A project name, made from the folder's.
        dockerfile: Whether the folder has a Dockerfile.
        port: The port that its image exposes.
    """

    name: str
    dockerfile: bool
    port: int | None


NOT_FOR_IMAGES = (".git", ".env", "ftl.yaml")
"""Files that every `.dockerignore` should exclude."""

DOCKERIGNORE = """\
# What the image does not need: files with secrets, and files that change without the app.
.git
.env
.env.*
!.env.example
ftl.yaml
ftl.*.yaml
"""
"""The first `.dockerignore`."""


def project_name(folder: str) -> str:
    """A valid project name, made from a folder's name."""
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
