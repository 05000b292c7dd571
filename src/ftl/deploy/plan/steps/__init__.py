"""The steps of a plan: what will be done, as data. `ftl plan` prints them, `ftl.deploy.apply.executor` does them.

Each module has the steps that the `ftl.deploy.run_*` of its name carries out.
"""

from ftl.deploy.plan.steps.base import ServiceStep, Step
from ftl.deploy.plan.steps.containers import (
    EnsureVolume,
    RunHook,
    StartAgain,
    StartContainers,
    StartDependency,
    StopAndRemove,
    StopOld,
    WaitHealthy,
)
from ftl.deploy.plan.steps.images import BringImage, DropTags, Outgoing, PushPull, SendImages, TagPulled
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    Attach,
    AwaitCertificates,
    Drain,
    EnsureNetwork,
    EnsureProxy,
    Forget,
    OpenName,
    PointAgain,
    Switch,
    UpgradeProxy,
)
from ftl.deploy.plan.steps.records import EnsureStore, Record

__all__ = [
    "ApplySite",
    "Attach",
    "AwaitCertificates",
    "BringImage",
    "Drain",
    "DropTags",
    "EnsureNetwork",
    "EnsureProxy",
    "EnsureStore",
    "EnsureVolume",
    "Forget",
    "OpenName",
    "Outgoing",
    "PointAgain",
    "PushPull",
    "Record",
    "RunHook",
    "SendImages",
    "ServiceStep",
    "StartAgain",
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
