"""Steps that install packages."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.server.setup.plan.steps.base import SetupStep, encoded

APT_SECONDS = 1200.0
"""Packages may have to wait for another apt (300 s), and come over a slow line."""

AUTO_UPGRADES = b'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'


@dataclass(frozen=True, slots=True)
class RefreshPackages(SetupStep):
    """Fetch the lists of packages; and meanwhile see whether Docker's own repository answers, if it is named."""

    verb = "refresh"
    seconds = APT_SECONDS
    docker_repository: str = ""

    @property
    def text(self) -> str:
        return "fetch the lists of packages"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.docker_repository,)


@dataclass(frozen=True, slots=True)
class InstallPackages(SetupStep):
    """Install packages of the distribution."""

    verb = "install"
    seconds = APT_SECONDS
    packages: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"install {', '.join(self.packages)}"

    @property
    def words(self) -> tuple[str, ...]:
        return self.packages


@dataclass(frozen=True, slots=True)
class InstallDocker(SetupStep):
    """Install the engine: from Docker's own repository where it answered, else the distribution's.

    Attributes:
        packages: The distribution's that make an engine.
        others: What else is missing, and comes with it.
    """

    verb = "docker"
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
    def words(self) -> tuple[str, ...]:
        others = " ".join(self.others)
        return (self.repository, self.codename, self.architecture, others, *self.packages)


@dataclass(frozen=True, slots=True)
class EnableUpgrades(SetupStep):
    """Have apt install security updates by itself."""

    verb = "unattended"

    @property
    def text(self) -> str:
        return "have security updates installed every day"

    @property
    def words(self) -> tuple[str, ...]:
        return (encoded(AUTO_UPGRADES),)
