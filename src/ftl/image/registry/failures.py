"""Translate failed pushes, pulls and logins into errors with a cause and a hint.

The engines' messages were recorded from engines 20.10, 26.1 and 28.5 with both image stores, and docker-registry 2.8
with passwords and with tokens.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import EngineError, EngineUnavailable, TransferFailed
from ftl.image.registry.names import display_name, login_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.image.registry.keyring import RegistryLogin


@dataclass(frozen=True, slots=True)
class RegistryRequest:
    """A push, pull or login that an engine was asked for.

    Attributes:
        action: Completes "could not ...": "push IMAGE", "pull IMAGE", "log in to REGISTRY".
        engine_name: Name of the engine: "this machine", or the server's name.
    """

    action: str
    engine_name: str
    login: RegistryLogin
    writes: bool = False

    @property
    def registry(self) -> str:
        """Display name of the registry."""
        return display_name(self.login.registry)


_Diagnosis = tuple[str, str]
"""The problem, and a hint."""


def registry_error(request: RegistryRequest, text: str) -> TransferFailed:
    """Make the error for an engine's or a registry's error text."""
    cause = text.strip().rstrip(".")
    diagnose = _diagnose_function(cause)
    message = f"{request.engine_name} could not {request.action}"
    if diagnose is None:
        return TransferFailed(message, cause=cause or None)
    problem, hint = diagnose(request)
    return TransferFailed(f"{message}: {problem}", cause=cause, hint=hint)


def requires_login(text: str) -> bool:
    """Whether an engine's or a registry's error text means that a login is missing."""
    return _diagnose_function(text) in (_unauthorized, _denied)


@contextmanager
def translated_errors(
    request: RegistryRequest, *, timeout_cause: str = "the registry did not answer in time"
) -> Iterator[None]:
    """Translate errors of an engine's request to a registry.

    `timeout_cause` is the cause in the error for a timeout.

    Raises:
        TransferFailed: The registry refused, or could not be reached.
        EngineUnavailable: The engine itself does not answer.
    """
    try:
        yield
    except TimeoutError:
        raise registry_error(request, timeout_cause) from None
    except EngineUnavailable:
        raise
    except EngineError as error:
        raise registry_error(request, error.cause or error.message) from error


def _unauthorized(request: RegistryRequest) -> _Diagnosis:
    login, registry = request.login, request.registry
    if login.error is not None:
        return (f"the credentials for {registry} could not be read", login.error)
    if login.credentials is None:
        return (
            f"{registry} requires a login, and there are no credentials",
            f"run {login_command(login.registry)} on this machine, or list it under `registries` in ftl.yaml",
        )
    origin = login.credentials.origin
    if login.credentials.is_identity_token:
        return (
            f"{registry} rejects the token from {origin}",
            f"it has expired or was revoked: get a new one{_login_again(request)}",
        )
    return (
        f"{registry} rejects the credentials of {login.credentials.username} from {origin}",
        f"the user name or password is wrong, or a token has expired{_login_again(request)}",
    )


def _login_again(request: RegistryRequest) -> str:
    credentials = request.login.credentials
    is_dockers = credentials is not None and "ftl.yaml" not in credentials.origin
    return f" ({login_command(request.login.registry)})" if is_dockers else ""


def _denied(request: RegistryRequest) -> _Diagnosis:
    credentials = request.login.credentials
    if credentials is None:
        return _unauthorized(request)
    user = "the token" if credentials.is_identity_token else credentials.username
    permission = "push" if request.writes else "pull"
    return (
        f"{request.registry} does not allow {user} to {permission} there",
        "grant the account that permission, or check the repository's name: many registries give the same answer for a "
        "repository that does not exist",
    )


def _unknown_host(request: RegistryRequest) -> _Diagnosis:
    hint = "check the registry's name in `image`"
    if not request.writes:
        hint += (
            "; for a server without Internet access, `docker pull` the image on this machine and deploy again"
        )
    return (f"the host name of {request.registry} cannot be resolved", hint)


def _not_found(request: RegistryRequest) -> _Diagnosis:
    if request.writes:
        return (
            f"{request.registry} has no such repository",
            "create the repository in the registry first, or check the name in `image`",
        )
    return (f"{request.registry} has no such image", "check its name and tag")


def _rate_limited(request: RegistryRequest) -> _Diagnosis:
    hint = "wait, or log in: accounts have higher limits" if request.login.credentials is None else "wait"
    return (f"the rate limit of {request.registry} is exceeded", hint)


def _says(problem: str, hint: str) -> Callable[[RegistryRequest], _Diagnosis]:
    return lambda request: (problem.format(request), hint.format(request))


# The first match counts.
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[RegistryRequest], _Diagnosis]], ...] = (
    (re.compile(r"toomanyrequests|429 Too Many"), _rate_limited),
    (  # the containerd store ignores /etc/docker/certs.d when it asks token servers (26.1, 28.5)
        re.compile(r"fetch (oauth|anonymous) token.*x509"),
        _says(
            "its Docker does not trust the certificate of the token server of {0.registry}",
            "add its certificate authority to the system's certificates on {0.engine_name} "
            "(`update-ca-certificates`), and restart Docker there",
        ),
    ),
    (
        re.compile(r"unknown authority|self[- ]signed certificate"),
        _says(
            "its Docker does not trust the certificate of {0.registry}",
            "if the registry has its own certificate authority, put the authority's certificate into "
            "/etc/docker/certs.d/{0.login.registry}/ca.crt on {0.engine_name} (effective at once)",
        ),
    ),
    (
        re.compile(r"x509: "),
        _says(
            "the certificate of {0.registry} is not valid", "the registry's owner has to renew or correct it"
        ),
    ),
    (
        re.compile(r"server gave HTTP response to HTTPS client|first record does not look like a TLS"),
        _says(
            "{0.registry} speaks plain HTTP",
            "put TLS in front of it; in a trusted network, add it to `insecure-registries` in /etc/docker/daemon.json "
            "on {0.engine_name} (`insecure: true` under `registries` lets `ftl setup` do that on the server)",
        ),
    ),
    (re.compile(r"no such host|server misbehaving|name resolution"), _unknown_host),
    (
        re.compile(
            r"connection refused|i/o timeout|no route to host|unreachable|handshake timeout|Client\.Timeout|"
            r"context deadline exceeded|connection reset|\bEOF\b|50[0234] |did not answer"
        ),
        _says(
            "{0.registry} does not answer",
            "check that it is running and can be reached from {0.engine_name}",
        ),
    ),
    (
        re.compile(r"name[ _]unknown|NAME_UNKNOWN|repository name not known|does not exist in the registry"),
        _not_found,
    ),
    (
        re.compile(
            r"no basic auth|unauthorized|401|authentication required|incorrect username|invalid_grant"
        ),
        _unauthorized,
    ),
    (re.compile(r"denied|insufficient_scope|403|may require authorization"), _denied),
    (re.compile(r"manifest unknown|not found"), _not_found),
)


def _diagnose_function(text: str) -> Callable[[RegistryRequest], _Diagnosis] | None:
    return next((diagnose for pattern, diagnose in _PATTERNS if pattern.search(text)), None)
