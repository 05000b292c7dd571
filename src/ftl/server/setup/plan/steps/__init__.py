"""The steps of setup plans: values, run by the shell function `do_KIND` of scripts/."""

from ftl.server.setup.plan.steps.account import AuthoriseKey, CreateUser, GrantSudo, JoinDockerGroup
from ftl.server.setup.plan.steps.base import SetupStep
from ftl.server.setup.plan.steps.guarded import (
    AllowInUfw,
    AllowPeersInUfw,
    ApplyFirewall,
    HardenSsh,
    KeepChange,
    RevertChange,
)
from ftl.server.setup.plan.steps.machine import (
    AddSwap,
    DisableLiveRestore,
    StartCron,
    StartEngine,
    WriteDaemonSettings,
)
from ftl.server.setup.plan.steps.packages import (
    EnableUpgrades,
    InstallDocker,
    InstallPackages,
    RefreshPackages,
)

__all__ = [
    "AddSwap",
    "AllowInUfw",
    "AllowPeersInUfw",
    "ApplyFirewall",
    "AuthoriseKey",
    "CreateUser",
    "DisableLiveRestore",
    "EnableUpgrades",
    "GrantSudo",
    "HardenSsh",
    "InstallDocker",
    "InstallPackages",
    "JoinDockerGroup",
    "KeepChange",
    "RefreshPackages",
    "RevertChange",
    "SetupStep",
    "StartCron",
    "StartEngine",
    "WriteDaemonSettings",
]
