"""Registries that users name: who logs in there, pushing from here, pulling on a server, and what they refuse."""

from ftl.image.registry.credentials import Credentials
from ftl.image.registry.for_builds import build_logins
from ftl.image.registry.keyring import Keyring, Login
from ftl.image.registry.login import (
    entered,
    insecure,
    pushed_to,
    remember,
    store_there,
    verify,
)
from ftl.image.registry.moving import pull, push
from ftl.image.registry.names import HUB, filed, login_command, registry_of, shown
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
