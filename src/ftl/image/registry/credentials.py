"""A login to one registry, and the forms in which Docker takes it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  # a user name
"""The user name by which Docker marks an identity token (an OAuth 2 refresh token) in place of a password."""

# Who logs in with a token where the registry does not care, or has one name for all. From the registries' own manuals.
_TOKEN_USERS = (
    (re.compile(r"ghcr\.io"), "token"),
    (re.compile(r"[0-9]+\.dkr\.ecr[.-].*\.amazonaws\.com(\.cn)?|public\.ecr\.aws"), "AWS"),
    (re.compile(r"(.*\.)?gcr\.io|.*-docker\.pkg\.dev"), "oauth2accesstoken"),
    (re.compile(r".*\.azurecr\.io"), "00000000-0000-0000-0000-000000000000"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login to a registry.

    Attributes:
        registry: As docker's config file calls it.
        username: Or IDENTITY.
        origin: Where they come from, for messages.
    """

    registry: str
    username: str
    secret: str = field(repr=False)
    origin: str

    @property
    def is_identity_token(self) -> bool:
        """Whether the secret is an identity token."""
        return self.username == IDENTITY_TOKEN_USER

    def auth_config(self) -> Mapping[str, str]:
        """The fields of the engine API's X-Registry-Auth."""
        if self.is_identity_token:
            return {"identitytoken": self.secret, "serveraddress": self.registry}
        return {"username": self.username, "password": self.secret, "serveraddress": self.registry}

    def config_entry(self) -> dict[str, str]:
        """The entry below `auths` in docker's config file."""
        if self.is_identity_token:
            return {"auth": _coded(f"{IDENTITY_TOKEN_USER}:"), "identitytoken": self.secret}
        return {"auth": _coded(f"{self.username}:{self.secret}")}


def token_user(host: str) -> str:
    """The user name that goes with a bare token for a registry; IDENTITY where none is known."""
    return next((user for pattern, user in _TOKEN_USERS if pattern.fullmatch(host)), IDENTITY_TOKEN_USER)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
