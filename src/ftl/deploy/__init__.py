"""observe -> plan -> apply: how a project becomes what runs on a server."""

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
