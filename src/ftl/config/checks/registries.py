"""Registries: each is listed once, with one secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.yaml.marks import KeyPath


def registries(checks: Checks) -> None:
    """Each registry is listed once, with one secret, and a password has its user."""
    taken: set[str] = set()
    for index, registry in enumerate(checks.project.registries):
        path: KeyPath = ("registries", index)
        if registry.server in taken:
            message = f"{registry.server} is listed twice"
            checks.report(checks.mark(*path, "server"), message, "keep one of the two")
        taken.add(registry.server)
        secrets = [name for name in ("password", "token", "command") if checks.is_given(*path, name)]
        if len(secrets) > 1:
            message = f"registries[{index}] has both {secrets[0]} and {secrets[1]}"
            checks.report(checks.mark(*path, secrets[1]), message, "keep the one that is the secret")
        if "password" in secrets and checks.is_missing(*path, "username"):
            message = "registries has a password but no username"
            checks.report(checks.mark(*path, "password"), message, "write `username`")
        if registry.username is not None and not secrets:
            message = "registries has a username but no secret"
            hint = "write `password`, `token` or `command`"
            checks.report(checks.mark(*path, "username"), message, hint)
