"""Credentials for a registry, in the formats of the Engine API and of Docker's config file."""

from __future__ import annotations

import base64
import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  # a user name
"""Docker's user name for an identity token (OAuth 2 refresh token) in place of a password."""

# User names for logging in with a token, where the registry ignores the name or has a fixed one. From their manuals.
_TOKEN_USERS = (
    (re.compile(r"ghcr\.io"), "token"),
    (re.compile(r"[0-9]+\.dkr\.ecr[.-].*\.amazonaws\.com(\.cn)?|public\.ecr\.aws"), "AWS"),
    (re.compile(r"(.*\.)?gcr\.io|.*-docker\.pkg\.dev"), "oauth2accesstoken"),
    (re.compile(r".*\.azurecr\.io"), "00000000-0000-0000-0000-000000000000"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials for one registry.

    Attributes:
        registry: Its key in Docker's config file.
        username: The user, or IDENTITY_TOKEN_USER.
        origin: Where they were found, for messages.
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
        """Return the AuthConfig of the Engine API, as in its X-Registry-Auth header."""
        if self.is_identity_token:
            return {"identitytoken": self.secret, "serveraddress": self.registry}
        return {"username": self.username, "password": self.secret, "serveraddress": self.registry}

    def config_entry(self) -> dict[str, str]:
        """Return the entry under `auths` in Docker's config file."""
        if self.is_identity_token:
            return {"auth": _base64(f"{IDENTITY_TOKEN_USER}:"), "identitytoken": self.secret}
        return {"auth": _base64(f"{self.username}:{self.secret}")}


def token_user(host: str) -> str:
    """Return the registry's user name for tokens; IDENTITY_TOKEN_USER if it has none."""
    return next((user for pattern, user in _TOKEN_USERS if pattern.fullmatch(host)), IDENTITY_TOKEN_USER)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
