"""Registries that users name: who logs in there, pushing from here, pulling on a server, and what they refuse."""

from ftl.image.registry.credentials import Credentials
from ftl.image.registry.for_builds import build_logins
from ftl.image.registry.keyring import Keyring, Login
from ftl.image.registry.login import (
    entered,
    insecure,
    logins,
    pushed_to,
    remember,
    store_there,
    verify,
)
from ftl.image.registry.moving import pull, push
from ftl.image.registry.names import registry_of, shown

__all__ = [
    "Credentials",
    "Keyring",
    "Login",
    "build_logins",
    "entered",
    "insecure",
    "logins",
    "pull",
    "push",
    "pushed_to",
    "registry_of",
    "remember",
    "shown",
    "store_there",
    "verify",
]
