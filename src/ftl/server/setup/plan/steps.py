"""Steps of setup plans: values, run by the shell function `do_KIND` of scripts/."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import TYPE_CHECKING, ClassVar

from ftl.common.figures import binary
from ftl.common.files import content_digest
from ftl.dataclass import dataclass
from ftl.execution.step import BaseStep

if TYPE_CHECKING:
    from collections.abc import Sequence

APT_SECONDS = 1200.0
"""Packages may have to wait for another apt (300 s), and come over a slow link."""

AUTO_UPGRADES = b'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'


@dataclass(frozen=True, slots=True)
class SetupStep(BaseStep):
    """One action of a setup plan, which the shell function `do_KIND` runs.

    Attributes:
        seconds: Time limit.
        guarded: Whether the server reverts it unless a new connection works afterwards.
    """

    seconds: ClassVar[float] = 60.0
    guarded: ClassVar[bool] = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of its shell function, without line breaks: its fields, in their order."""
        return tuple(word for each in fields(self) for word in words(getattr(self, each.name)))


def words(value: object) -> Sequence[str]:
    """A field as arguments: bytes in base64, a tuple as several."""
    if isinstance(value, bytes):
        return (base64.b64encode(value).decode(),)
    return value if isinstance(value, tuple) else (str(value),)


# --- packages -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RefreshPackages(SetupStep):
    """Update the package lists; meanwhile check whether Docker's repository answers, if given."""

    kind = "refresh_packages"
    sentence = "update the package lists"
    seconds = APT_SECONDS
    docker_repository: str = ""


@dataclass(frozen=True, slots=True)
class InstallPackages(SetupStep):
    """Install packages of the distribution."""

    kind = "install_packages"
    seconds = APT_SECONDS
    packages: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"install {', '.join(self.packages)}"


@dataclass(frozen=True, slots=True)
class InstallDocker(SetupStep):
    """Install the engine from Docker's own repository if it answers, else the distribution's.

    `others` are other missing packages, installed in the same call of apt.
    """

    kind = "install_docker"
    seconds = APT_SECONDS
    repository: str
    codename: str
    architecture: str
    packages: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        source = f"from {self.repository} if the server reaches it, else {self.packages[0]}"
        return f"install {', '.join(('Docker', *self.others))} (Docker {source})"

    @property
    def arguments(self) -> tuple[str, ...]:
        others = " ".join(self.others)
        return (self.repository, self.codename, self.architecture, others, *self.packages)


@dataclass(frozen=True, slots=True)
class EnableUpgrades(SetupStep):
    """Let apt install security updates automatically."""

    kind = "enable_upgrades"
    sentence = "enable automatic security updates"
    settings: bytes = AUTO_UPGRADES


# --- the deploy user's account --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateUser(SetupStep):
    """Create the deploy user, without a password."""

    kind = "create_user"
    sentence = "create the user {0.user}"
    user: str


@dataclass(frozen=True, slots=True)
class JoinDockerGroup(SetupStep):
    """Let the deploy user use Docker."""

    kind = "join_docker_group"
    sentence = "add {0.user} to the docker group"
    user: str


@dataclass(frozen=True, slots=True)
class AuthoriseKey(SetupStep):
    """Authorise our key for the deploy user, in one of sshd's AuthorizedKeysFile patterns."""

    kind = "authorise_key"
    user: str
    file: str
    key: str

    @property
    def text(self) -> str:
        kind, body, *_ = self.key.split()
        return f"authorise the key {kind} ...{body[-12:]} for {self.user}"


@dataclass(frozen=True, slots=True)
class GrantSudo(SetupStep):
    """Let the deploy user use sudo, before root login is disabled.

    Members of the docker group can become root anyway.
    """

    kind = "grant_sudo"
    sentence = "allow {0.user} to use sudo without a password"
    user: str


# --- the machine: its engine, cron and swap -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteDaemonSettings(SetupStep):
    """Write the engine's daemon.json; restart a running engine if that stops no container.

    Attributes:
        seen: The file as it was read: one that has changed since is not written.
        live: Whether it enables live-restore: then the running engine reloads that before it restarts.
        later: Whether a running engine is not restarted, because its containers would stop with it.
    """

    kind = "write_daemon_settings"
    seconds = 120.0
    content: bytes
    seen: bytes | None
    topics: tuple[str, ...]
    restart: bool
    live: bool = False
    later: bool = False
    containers: int = 0

    @property
    def text(self) -> str:
        change = f"write Docker's settings ({', '.join(self.topics)}) to /etc/docker/daemon.json"
        if not self.restart:
            return f"{change}, for Docker's next start" if self.later else change
        containers = ", keeping its containers running" if self.containers else ""
        return f"{change} and restart Docker{containers}"

    @property
    def arguments(self) -> tuple[str, ...]:
        flags = ("yes" if flag else "no" for flag in (self.restart, self.live))
        return (*words(self.content), *flags, content_digest(self.seen))


@dataclass(frozen=True, slots=True)
class DisableLiveRestore(SetupStep):
    """Write the engine's daemon.json without live-restore, and let the running engine read it.

    That is one of the settings that an engine reloads: its containers run on. The file is not written if it has
    changed since it was `seen`.
    """

    kind = "disable_live_restore"
    sentence = (
        "disable Docker's live-restore, which a cluster does not support, keeping its containers running"
    )
    content: bytes
    seen: bytes | None

    @property
    def arguments(self) -> tuple[str, ...]:
        return (*words(self.content), content_digest(self.seen))


@dataclass(frozen=True, slots=True)
class StartEngine(SetupStep):
    """Start the engine, now and at boot, and wait until it answers."""

    kind = "start_engine"
    sentence = "start Docker, now and at boot, and wait until it answers"
    seconds = 120.0


@dataclass(frozen=True, slots=True)
class StartCron(SetupStep):
    """Start cron, now and at boot: it runs the jobs of ftl.yaml."""

    kind = "start_cron"
    sentence = "start cron, now and at boot"


@dataclass(frozen=True, slots=True)
class AddSwap(SetupStep):
    """Add a swap file."""

    kind = "add_swap"
    seconds = 300.0
    bytes: int

    @property
    def text(self) -> str:
        return f"add {binary(self.bytes)} of swap, /swapfile"
