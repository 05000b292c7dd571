"""Steps about the deploy user's account."""

from __future__ import annotations

from ftl.dataclass import dataclass
from ftl.server.setup.plan.steps.base import SetupStep


@dataclass(frozen=True, slots=True)
class CreateUser(SetupStep):
    """Create the deploy user, without a password."""

    kind = "create_user"
    user: str

    @property
    def text(self) -> str:
        return f"create the user {self.user}"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class JoinDockerGroup(SetupStep):
    """Let the deploy user use Docker."""

    kind = "join_docker_group"
    user: str

    @property
    def text(self) -> str:
        return f"add {self.user} to the docker group"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class AuthoriseKey(SetupStep):
    """Authorise our key for the deploy user.

    Attributes:
        file: One of sshd's AuthorizedKeysFile patterns.
    """

    kind = "authorise_key"
    user: str
    file: str
    key: str

    @property
    def text(self) -> str:
        kind, body, *_ = self.key.split()
        return f"authorise the key {kind} ...{body[-12:]} for {self.user}"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.user, self.file, self.key)


@dataclass(frozen=True, slots=True)
class GrantSudo(SetupStep):
    """Let the deploy user use sudo, before root login is disabled.

    Members of the docker group can become root anyway.
    """

    kind = "grant_sudo"
    user: str

    @property
    def text(self) -> str:
        return f"let {self.user} use sudo without a password"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.user,)
