"""Steps that install packages."""

from __future__ import annotations

from ftl.dataclass import dataclass
from ftl.server.setup.plan.steps.base import SetupStep, encoded

APT_SECONDS = 1200.0
"""Packages may have to wait for another apt (300 s), and come over a slow link."""

AUTO_UPGRADES = b'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'


@dataclass(frozen=True, slots=True)
class RefreshPackages(SetupStep):
    """Update the package lists; meanwhile check whether Docker's repository answers, if given."""

    kind = "refresh_packages"
    seconds = APT_SECONDS
    docker_repository: str = ""

    @property
    def text(self) -> str:
        return "update the package lists"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.docker_repository,)


@dataclass(frozen=True, slots=True)
class InstallPackages(SetupStep):
    """Install packages of the distribution."""

    kind = "install_packages"
    seconds = APT_SECONDS
    packages: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"install {', '.join(self.packages)}"

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.packages


@dataclass(frozen=True, slots=True)
class InstallDocker(SetupStep):
    """Install the engine from Docker's own repository if it answers, else from the distribution.

    Attributes:
        packages: The distribution's packages of the engine.
        others: Other missing packages, installed in the same call of apt.
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

    @property
    def text(self) -> str:
        return "enable automatic security updates"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (encoded(AUTO_UPGRADES),)
