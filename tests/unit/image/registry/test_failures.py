"""Errors of pushes, pulls and logins, for texts recorded from engines 20.10, 26.1, 28.5."""

from __future__ import annotations

import pytest

from ftl.image.registry.credentials import IDENTITY_TOKEN_USER, Credentials
from ftl.image.registry.failures import RegistryRequest, registry_error, requires_login
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import HUB

REGISTRY = "registry.example.com"
ANONYMOUS = RegistryLogin(REGISTRY)
ME = RegistryLogin(REGISTRY, Credentials(REGISTRY, "me", "x", "docker's config file"))
TOKEN = RegistryLogin(REGISTRY, Credentials(REGISTRY, IDENTITY_TOKEN_USER, "x", "`registries` in ftl.yaml"))
FAILED_LOOKUP = RegistryLogin(REGISTRY, error="the credential helper docker-credential-x failed: expired")


@pytest.mark.parametrize(
    ("login", "text", "problem", "hint"),
    [
        (
            ANONYMOUS,
            "no basic auth credentials",
            "requires a login, and there are no credentials",
            "docker login registry",
        ),
        (
            RegistryLogin(HUB),
            "unauthorized: authentication required",
            "Docker Hub requires a login",
            "`docker login` on this machine",
        ),
        (
            ANONYMOUS,
            "push access denied, repository does not exist or may require authorization: authorization failed: "
            "no basic auth credentials",
            "requires a login, and there are no credentials",
            "docker login",
        ),
        (
            ANONYMOUS,
            "denied: requested access to the resource is denied",
            "requires a login",
            "docker login",
        ),
        (
            FAILED_LOOKUP,
            "no basic auth credentials",
            "credentials for registry.example.com could not be read",
            "docker-credential-x failed: expired",
        ),
        (
            ME,
            "unauthorized: incorrect username or password",
            "rejects the credentials of me",
            "is wrong",
        ),
        (
            ME,
            "unauthorized: authentication required",
            "rejects the credentials of me",
            "docker login registry",
        ),
        (
            ME,
            "unknown: unexpected status from HEAD request to https://registry.example.com/v2/x/blobs/y: "
            "401 Unauthorized",
            "rejects the credentials of me",
            "a token has expired",
        ),
        (
            ME,
            "login attempt to https://registry.example.com/v2/ failed with status: 401 Unauthorized",
            "rejects",
            "wrong",
        ),
        (
            TOKEN,
            "unauthorized: authentication required",
            "rejects the token",
            "it has expired or was revoked",
        ),
        (ME, "denied: requested access to the resource is denied", "does not allow me to push", "permission"),
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
            "check that it is running",
        ),
        (
            ME,
            'failed to do request: Head "https://registry.example.com/v2/x": dial tcp: lookup registry.example.com '
            "on 127.0.0.11:53: no such host",
            "cannot be resolved",
            "check the registry's name",
        ),
        (
            ME,
            "name unknown: The repository with name 'shop' does not exist in the registry with id '1'",
            "has no such repository",
            "create the repository",
        ),
        (
            ANONYMOUS,
            "toomanyrequests: You have reached your pull rate limit",
            "rate limit",
            "accounts have higher",
        ),
    ],
)
def test_a_known_error_has_a_problem_and_a_hint(
    login: RegistryLogin, text: str, problem: str, hint: str
) -> None:
    """The message names the engine, the action and the problem; the cause is the engine's own text."""
    image = f"{REGISTRY}/shop/web:1"
    error = registry_error(RegistryRequest(f"push {image}", "this machine", login, writes=True), text)
    assert error.message.startswith(f"this machine could not push {image}: ")
    assert problem in error.message
    assert error.cause == text
    assert error.hint is not None
    assert hint in error.hint


def test_a_missing_image_is_not_a_missing_repository() -> None:
    """For a pull the hint is to check the name, not to create the repository."""
    text = "manifest for registry.example.com/shop/web:2 not found: manifest unknown: manifest unknown"
    error = registry_error(
        RegistryRequest("pull registry.example.com/shop/web:2", "shop.example.com", ME), text
    )
    assert "has no such image" in error.message
    assert error.hint == "check its name and tag"


def test_an_unknown_error_is_passed_on() -> None:
    """An unknown error has the engine's text as its cause, and no hint."""
    error = registry_error(RegistryRequest("pull x", "shop.example.com", ME), "quota exceeded for blobs.")
    assert (error.message, error.cause, error.hint) == (
        "shop.example.com could not pull x",
        "quota exceeded for blobs",
        None,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_errors_that_require_a_login(text: str, expected: bool) -> None:
    """A registry that is down, limits requests or lacks the image does not require a login."""
    assert requires_login(text) is expected
