"""What registries and engines say when a push, pull or login fails -> a sentence with its cause and the next step.

The words are those of engines 20.10, 26.1 and 28.5 with both image stores, in front of docker-registry 2.8 with
passwords and with tokens.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import EngineError, EngineUnavailable, TransferFailed
from ftl.image.registry.names import display_name, login_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.image.registry.keyring import RegistryLogin


@dataclass(frozen=True, slots=True)
class RegistryRequest:
    """What was tried.

    Attributes:
        what: Ends "could not ...": "push IMAGE", "pull IMAGE", "log in to REGISTRY".
        who: Whose engine tried: "this machine", or the server's name.
        writes: Whether the right to change something was needed.
    """

    what: str
    who: str
    login: RegistryLogin
    writes: bool = False

    @property
    def registry(self) -> str:
        """As people call it."""
        return display_name(self.login.registry)


Advice = tuple[str, str]
"""What is wrong, and what to do."""


def transfer_error(attempt: RegistryRequest, words: str) -> TransferFailed:
    """The error for an engine's or a registry's words."""
    said = words.strip().rstrip(".")
    advise = next((make for pattern, make in _TABLE if pattern.search(said)), None)
    if advise is None:
        return TransferFailed(f"{attempt.who} could not {attempt.what}", cause=said or None)
    wrong, hint = advise(attempt)
    return TransferFailed(f"{attempt.who} could not {attempt.what}: {wrong}", cause=said, hint=hint)


def needs_credentials(words: str) -> bool:
    """Whether an engine's or a registry's words mean that somebody with the right login would be let in."""
    advise = next((make for pattern, make in _TABLE if pattern.search(words)), None)
    return advise in (_unauthorized, _denied)


@contextmanager
def translate_errors(
    attempt: RegistryRequest, *, late: str = "the registry did not answer in time"
) -> Iterator[None]:
    """Turn what an engine says when it asks a registry into the error for it; `late` are the words of a timeout.

    Raises:
        TransferFailed: The registry refused, or was not reached.
        EngineUnavailable: The engine itself does not answer.
    """
    try:
        yield
    except TimeoutError:
        raise transfer_error(attempt, late) from None
    except EngineUnavailable:
        raise
    except EngineError as error:
        raise transfer_error(attempt, error.cause or error.message) from error


def _unauthorized(attempt: RegistryRequest) -> Advice:
    login, registry = attempt.login, attempt.registry
    if login.error is not None:
        return f"there are no credentials for {registry}", login.error
    if login.credentials is None:
        hint = f"run {login_command(login.registry)} here, or list it below `registries` in ftl.yaml"
        return f"{registry} asks for credentials, and there are none", hint
    origin = login.credentials.origin
    if login.credentials.is_identity_token:
        return f"{registry} does not take the token from {origin}", (
            "it has expired or was revoked: get a new one" + _again(attempt)
        )
    return f"{registry} does not take the credentials of {login.credentials.username} from {origin}", (
        "the user name or password is wrong, or a token has expired" + _again(attempt)
    )


def _again(attempt: RegistryRequest) -> str:
    credentials = attempt.login.credentials
    from_docker = credentials is not None and "ftl.yaml" not in credentials.origin
    return f" ({login_command(attempt.login.registry)})" if from_docker else ""


def _denied(attempt: RegistryRequest) -> Advice:
    credentials = attempt.login.credentials
    if credentials is None:
        return _unauthorized(attempt)
    who = "the token" if credentials.is_identity_token else credentials.username
    what = "push" if attempt.writes else "pull"
    return f"{attempt.registry} does not let {who} {what} there", (
        "give the account the right to, or check the repository's name: many registries say the same of one that "
        "does not exist"
    )


def _unknown_authority(attempt: RegistryRequest) -> Advice:
    host = attempt.login.registry
    return f"its Docker does not trust the certificate of {attempt.registry}", (
        f"if it has an authority of its own, put that certificate into /etc/docker/certs.d/{host}/ca.crt on "
        f"{attempt.who} (it counts at once)"
    )


def _unknown_token_authority(attempt: RegistryRequest) -> Advice:
    """The containerd store asks token servers as any client would, not by /etc/docker/certs.d (26.1, 28.5)."""
    return f"its Docker does not trust the certificate of the token server of {attempt.registry}", (
        f"add its authority to the system's certificates on {attempt.who} (`update-ca-certificates`), and restart "
        "Docker there"
    )


def _wrong_certificate(attempt: RegistryRequest) -> Advice:
    return f"the certificate of {attempt.registry} is not valid", "its owner has to renew or correct it"


def _plain(attempt: RegistryRequest) -> Advice:
    return f"{attempt.registry} speaks plain HTTP", (
        "put TLS before it; in a network that you trust, name it in `insecure-registries` of "
        f"/etc/docker/daemon.json on {attempt.who} (`insecure: true` below `registries` lets `ftl setup` do that "
        "on the server)"
    )


def _down(attempt: RegistryRequest) -> Advice:
    return f"{attempt.registry} does not answer", f"check that it runs, and that {attempt.who} may reach it"


def _no_name(attempt: RegistryRequest) -> Advice:
    return f"{attempt.who} finds no address for {attempt.registry}", (
        "check the registry's name in `image`; a server without a way out gets images from here: `docker pull` it on "
        "this machine, and deploy again"
        if not attempt.writes
        else "check the registry's name in `image`"
    )


def _no_repository(attempt: RegistryRequest) -> Advice:
    if attempt.writes:
        return (
            f"{attempt.registry} has no such repository",
            "create it there first, or check the name in `image`",
        )
    return f"{attempt.registry} has no such image", "check its name and tag"


def _too_many(attempt: RegistryRequest) -> Advice:
    hint = "wait, or log in: accounts have higher limits" if attempt.login.credentials is None else "wait"
    return f"{attempt.registry} grants no more requests for now", hint


# The first match counts.
_TABLE: tuple[tuple[re.Pattern[str], Callable[[RegistryRequest], Advice]], ...] = (
    (re.compile(r"toomanyrequests|429 Too Many"), _too_many),
    (re.compile(r"fetch (oauth|anonymous) token.*x509"), _unknown_token_authority),
    (re.compile(r"unknown authority|self[- ]signed certificate"), _unknown_authority),
    (re.compile(r"x509: "), _wrong_certificate),
    (re.compile(r"server gave HTTP response to HTTPS client|first record does not look like a TLS"), _plain),
    (re.compile(r"no such host|server misbehaving|name resolution"), _no_name),
    (
        re.compile(
            r"connection refused|i/o timeout|no route to host|unreachable|handshake timeout|Client\.Timeout|"
            r"context deadline exceeded|connection reset|\bEOF\b|50[0234] |did not answer"
        ),
        _down,
    ),
    (
        re.compile(r"name[ _]unknown|NAME_UNKNOWN|repository name not known|does not exist in the registry"),
        _no_repository,
    ),
    (
        re.compile(
            r"no basic auth|unauthorized|401|authentication required|incorrect username|invalid_grant"
        ),
        _unauthorized,
    ),
    (re.compile(r"denied|insufficient_scope|403|may require authorization"), _denied),
    (re.compile(r"manifest unknown|not found"), _no_repository),
)
