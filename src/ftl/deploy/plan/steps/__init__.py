"""Steps of a plan, as data: printed by `ftl plan`, executed by `ftl.deploy.apply`.

Each module holds the steps that the module of its name in `apply` runs.
"""

from ftl.deploy.plan.steps.base import ContainerRef, ServiceStep, Step
from ftl.deploy.plan.steps.containers import (
    EnsureVolume,
    RestartContainers,
    RunHook,
    SetRestartPolicy,
    StartContainers,
    StartDependency,
    StopAndRemove,
    StopOld,
    WaitHealthy,
)
from ftl.deploy.plan.steps.images import BringImage, DropTags, OutgoingImage, PushPull, SendImages, TagPulled
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    ConnectProxy,
    Drain,
    EnsureNetwork,
    EnsureProxy,
    PublishName,
    RemoveRoutes,
    RepairSwitch,
    Switch,
    UpgradeProxy,
)
from ftl.deploy.plan.steps.records import AmendRecords, Decide, EnsureStore, Record, SetHold

__all__ = [
    "AmendRecords",
    "ApplySite",
    "AwaitCertificates",
    "BringImage",
    "ConnectProxy",
    "ContainerRef",
    "Decide",
    "Drain",
    "DropTags",
    "EnsureNetwork",
    "EnsureProxy",
    "EnsureStore",
    "EnsureVolume",
    "OutgoingImage",
    "PublishName",
    "PushPull",
    "Record",
    "RemoveRoutes",
    "RepairSwitch",
    "RestartContainers",
    "RunHook",
    "SendImages",
    "ServiceStep",
    "SetHold",
    "SetRestartPolicy",
    "StartContainers",
    "StartDependency",
    "Step",
    "StopAndRemove",
    "StopOld",
    "Switch",
    "TagPulled",
    "UpgradeProxy",
    "WaitHealthy",
]
