"""observe -> plan -> apply: how a project becomes what runs on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.lazy import loader

if TYPE_CHECKING:
    from ftl.deploy.deploying import DeployResult, ServiceResult, deploy, plan_only
    from ftl.deploy.plan import Change, Plan
    from ftl.deploy.session import Session, open_session

__all__ = [
    "Change",
    "DeployResult",
    "Plan",
    "ServiceResult",
    "Session",
    "deploy",
    "open_session",
    "plan_only",
]

__getattr__ = loader(
    __name__,
    {
        "Change": "plan",
        "DeployResult": "deploying",
        "Plan": "plan",
        "ServiceResult": "deploying",
        "Session": "session",
        "deploy": "deploying",
        "open_session": "session",
        "plan_only": "deploying",
    },
)
