"""An ftl.yaml with secrets."""

from __future__ import annotations

HEAD = "project: {name: shop}\nserver: local\n"


def project(secrets: str, uses: str) -> str:
    """A project whose service has these lines."""
    return f"{HEAD}secrets:\n{secrets}services:\n  - name: web\n    image: web:1\n{uses}"
