"""Steps about the user who deploys."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.server.setup.plan.steps.base import SetupStep


@dataclass(frozen=True, slots=True)
class CreateUser(SetupStep):
    """Create the deploy user, without a password."""

    verb = "user"
    user: str

    @property
    def text(self) -> str:
        return f"create the user {self.user}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class JoinDockerGroup(SetupStep):
    """Let the deploy user use Docker."""

    verb = "group"
    user: str

    @property
    def text(self) -> str:
        return f"add {self.user} to the group docker"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class AuthoriseKey(SetupStep):
    """Let the deploy user in by our key; `file` is one of sshd's AuthorizedKeysFile."""

    verb = "key"
    user: str
    file: str
    key: str

    @property
    def text(self) -> str:
        kind, body, *_ = self.key.split()
        return f"let {self.user} in by the key {kind} ...{body[-12:]}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user, self.file, self.key)


@dataclass(frozen=True, slots=True)
class GrantSudo(SetupStep):
    """Let the deploy user become root: who is in the group docker can, and root's own login is about to end."""

    verb = "sudoer"
    user: str

    @property
    def text(self) -> str:
        return f"let {self.user} use sudo without a password"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user,)
