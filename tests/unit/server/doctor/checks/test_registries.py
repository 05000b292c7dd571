"""What doctor makes of logins to registries."""

from __future__ import annotations

import pytest

from ftl.errors import TransferFailed
from ftl.image.registry.credentials import Credentials
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import HUB
from ftl.server.doctor.checks.registries import LoginAttempt, judge, judge_login

GHCR = RegistryLogin("ghcr.io", Credentials("ghcr.io", "me", "s3cret", "docker's config file"))
REFUSED = TransferFailed("shop could not log in", cause="401 Unauthorized", hint="`docker login ghcr.io`")


@pytest.mark.parametrize(
    ("tried", "level", "words", "fix"),
    [
        (LoginAttempt("ghcr.io", "shop", login=GHCR), "ok", "takes the login of me", None),
        (
            LoginAttempt("ghcr.io", "shop", login=GHCR, failure=REFUSED),
            "problem",
            "401",
            "`docker login ghcr.io`",
        ),
        (
            LoginAttempt("ghcr.io", "shop", login=GHCR, late=True),
            "warning",
            "no answer in time",
            "reach ghcr.io",
        ),
        (
            LoginAttempt("ghcr.io", "shop", True, RegistryLogin("ghcr.io")),
            "warning",
            "no login",
            "`docker login ghcr.io`",
        ),
        (LoginAttempt("ghcr.io", "shop", False, RegistryLogin("ghcr.io")), "ok", "public", None),
        (
            LoginAttempt("ghcr.io", "shop", login=RegistryLogin("ghcr.io"), closed=True),
            "problem",
            "cannot pull",
            "docker login",
        ),
        (
            LoginAttempt("ghcr.io", "shop", login=RegistryLogin("ghcr.io", error="no helper"), closed=True),
            "problem",
            "no helper",
            "login",
        ),
        (
            LoginAttempt("ghcr.io", "shop", True, RegistryLogin("ghcr.io", error="no helper")),
            "problem",
            "no helper",
            "login",
        ),
        (
            LoginAttempt("ghcr.io", "shop", False, RegistryLogin("ghcr.io", error="no helper")),
            "warning",
            "no helper",
            "login",
        ),
    ],
)
def test_a_login(tried: LoginAttempt, level: str, words: str, fix: str | None) -> None:
    """A login works, is refused, cannot be tried or is not there; which matters more where images are pushed."""
    found = judge_login(tried)
    assert (found.name, found.level) == ("ghcr.io", level)
    assert words in found.what
    assert "s3cret" not in str(found)
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


def test_docker_hub_without_a_login() -> None:
    """Nothing is said of Docker Hub where nobody logs in: everybody pulls from there."""
    assert judge([LoginAttempt(HUB, "shop", login=RegistryLogin(HUB))]) == []
    assert len(judge([LoginAttempt(HUB, "shop", True, RegistryLogin(HUB))])) == 1
    assert len(judge([LoginAttempt(HUB, "shop", login=RegistryLogin(HUB), closed=True)])) == 1
