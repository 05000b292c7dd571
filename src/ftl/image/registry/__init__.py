"""Registries that users name: who logs in there, pushing from here, pulling on a server, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.lazy import loader

if TYPE_CHECKING:
    from ftl.image.registry.credentials import Credentials
    from ftl.image.registry.for_builds import build_logins
    from ftl.image.registry.keyring import Keyring, Login
    from ftl.image.registry.login import entered, remember, store_there, verify
    from ftl.image.registry.moving import pull, push
    from ftl.image.registry.names import HUB, filed, insecure, login_command, pushed_to, registry_of, shown
    from ftl.image.registry.pulled import needs_login, pulled_from

__all__ = [
    "HUB",
    "Credentials",
    "Keyring",
    "Login",
    "build_logins",
    "entered",
    "filed",
    "insecure",
    "login_command",
    "needs_login",
    "pull",
    "pulled_from",
    "push",
    "pushed_to",
    "registry_of",
    "remember",
    "shown",
    "store_there",
    "verify",
]

__getattr__ = loader(
    __name__,
    {
        "HUB": "names",
        "Credentials": "credentials",
        "Keyring": "keyring",
        "Login": "keyring",
        "build_logins": "for_builds",
        "entered": "login",
        "filed": "names",
        "insecure": "names",
        "login_command": "names",
        "needs_login": "pulled",
        "pull": "moving",
        "pulled_from": "pulled",
        "push": "moving",
        "pushed_to": "names",
        "registry_of": "names",
        "remember": "login",
        "shown": "names",
        "store_there": "login",
        "verify": "login",
    },
)
