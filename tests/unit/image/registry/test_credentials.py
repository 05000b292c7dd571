"""Credentials: user names of tokens, and no secret in their repr."""

from __future__ import annotations

import pytest

from ftl.image.registry.credentials import IDENTITY_TOKEN_USER, Credentials, token_user


@pytest.mark.parametrize(
    ("host", "user"),
    [
        ("ghcr.io", "token"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "AWS"),
        ("eu.gcr.io", "oauth2accesstoken"),
        ("europe-west3-docker.pkg.dev", "oauth2accesstoken"),
        ("shop.azurecr.io", "00000000-0000-0000-0000-000000000000"),
        ("ghcr.io.example.com", IDENTITY_TOKEN_USER),
        ("registry.example.com", IDENTITY_TOKEN_USER),
    ],
)
def test_a_token_without_a_user_gets_the_user_that_the_registry_expects(host: str, user: str) -> None:
    """The large registries have a fixed user name for tokens; elsewhere it is an identity token."""
    assert token_user(host) == user


def test_a_secret_is_not_shown() -> None:
    """The repr of credentials does not contain the secret."""
    assert "hidden" not in repr(Credentials("ghcr.io", "me", "hidden", "a test"))
