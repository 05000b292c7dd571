"""What engines and registries say, and what becomes of it. The words are recorded from engines 20.10, 26.1 and 28.5."""

from __future__ import annotations

import pytest

from ftl.image.registry.credentials import IDENTITY_TOKEN_USER, Credentials
from ftl.image.registry.failures import RegistryRequest, needs_credentials, transfer_error
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import HUB

REGISTRY = "registry.example.com"
NOBODY = RegistryLogin(REGISTRY)
ME = RegistryLogin(REGISTRY, Credentials(REGISTRY, "me", "x", "docker's config file"))
TOKEN = RegistryLogin(REGISTRY, Credentials(REGISTRY, IDENTITY_TOKEN_USER, "x", "`registries` in ftl.yaml"))
BROKEN = RegistryLogin(REGISTRY, error="the credential helper docker-credential-x failed: expired")


@pytest.mark.parametrize(
    ("login", "words", "wrong", "hint"),
    [
        (
            NOBODY,
            "no basic auth credentials",
            "asks for credentials, and there are none",
            "docker login registry",
        ),
        (
            RegistryLogin(HUB),
            "unauthorized: authentication required",
            "Docker Hub asks for credentials",
            "`docker login` here",
        ),
        (
            NOBODY,
            "push access denied, repository does not exist or may require authorization: authorization failed: "
            "no basic auth credentials",
            "asks for credentials, and there are none",
            "docker login",
        ),
        (
            NOBODY,
            "denied: requested access to the resource is denied",
            "asks for credentials",
            "docker login",
        ),
        (
            BROKEN,
            "no basic auth credentials",
            "there are no credentials",
            "docker-credential-x failed: expired",
        ),
        (
            ME,
            "unauthorized: incorrect username or password",
            "does not take the credentials of me",
            "is wrong",
        ),
        (
            ME,
            "unauthorized: authentication required",
            "does not take the credentials of me",
            "docker login registry",
        ),
        (
            ME,
            "unknown: unexpected status from HEAD request to https://registry.example.com/v2/x/blobs/y: "
            "401 Unauthorized",
            "does not take the credentials of me",
            "a token has expired",
        ),
        (
            ME,
            "login attempt to https://registry.example.com/v2/ failed with status: 401 Unauthorized",
            "does not take",
            "wrong",
        ),
        (
            TOKEN,
            "unauthorized: authentication required",
            "does not take the token",
            "it has expired or was revoked",
        ),
        (ME, "denied: requested access to the resource is denied", "does not let me push", "right"),
        (
            ME,
            'Get "https://registry.example.com/v2/": tls: failed to verify certificate: x509: certificate signed by '
            "unknown authority",
            "does not trust the certificate",
            "/etc/docker/certs.d/registry.example.com/ca.crt on this machine",
        ),
        (
            ME,
            'failed to authorize: failed to fetch oauth token: Post "https://registry.example.com:5001/token": tls: '
            "failed to verify certificate: x509: certificate signed by unknown authority",
            "certificate of the token server",
            "`update-ca-certificates`",
        ),
        (ME, "x509: certificate has expired or is not yet valid", "is not valid", "renew"),
        (
            ME,
            'Get "https://registry.example.com:5000/v2/": http: server gave HTTP response to HTTPS client',
            "speaks plain HTTP",
            "`insecure: true`",
        ),
        (
            ME,
            'Get "https://registry.example.com/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
            "does not answer",
            "check that it runs",
        ),
        (
            ME,
            'failed to do request: Head "https://registry.example.com/v2/x": dial tcp: lookup registry.example.com '
            "on 127.0.0.11:53: no such host",
            "finds no address",
            "check the registry's name",
        ),
        (
            ME,
            "name unknown: The repository with name 'shop' does not exist in the registry with id '1'",
            "has no such repository",
            "create it there first",
        ),
        (
            NOBODY,
            "toomanyrequests: You have reached your pull rate limit",
            "grants no more requests",
            "accounts have higher",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(
    login: RegistryLogin, words: str, wrong: str, hint: str
) -> None:
    """Who could not do what, why in a sentence, the engine's own words, and the next step."""
    image = f"{REGISTRY}/shop/web:1"
    error = transfer_error(RegistryRequest(f"push {image}", "this machine", login, writes=True), words)
    assert error.message.startswith(f"this machine could not push {image}: ")
    assert wrong in error.message
    assert error.cause == words
    assert error.hint is not None
    assert hint in error.hint


def test_a_missing_image_is_none_to_be_created() -> None:
    """Where only reading was tried, the name is wrong."""
    words = "manifest for registry.example.com/shop/web:2 not found: manifest unknown: manifest unknown"
    error = transfer_error(
        RegistryRequest("pull registry.example.com/shop/web:2", "shop.example.com", ME), words
    )
    assert "has no such image" in error.message
    assert error.hint == "check its name and tag"


def test_unknown_words_are_passed_on() -> None:
    """Nothing is made up about what is not known."""
    error = transfer_error(RegistryRequest("pull x", "shop.example.com", ME), "quota exceeded for blobs.")
    assert (error.message, error.cause, error.hint) == (
        "shop.example.com could not pull x",
        "quota exceeded for blobs",
        None,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("no basic auth credentials", True),
        (
            "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required",
            True,
        ),
        ("manifest unknown: manifest unknown", False),
        ("toomanyrequests: You have reached your unauthenticated pull rate limit", False),
        ("lookup registry.example.com on 127.0.0.11:53: no such host", False),
        ("the engine has a new way to say it", False),
    ],
)
def test_who_asks_for_a_login(words: str, expected: bool) -> None:
    """A registry that is down, asked too often or without the image wants no password of anybody."""
    assert needs_credentials(words) is expected
