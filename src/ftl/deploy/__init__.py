"""observe -> plan -> apply: how a project becomes what runs on a server."""

from ftl.deploy.asked import choose
from ftl.deploy.deploying import DeployResult, ServiceResult, deploy, plan_only
from ftl.deploy.session import Session, open_session
from ftl.deploy.steps import Change, Plan

__all__ = [
    "Change",
    "DeployResult",
    "Plan",
    "ServiceResult",
    "Session",
    "choose",
    "deploy",
    "open_session",
    "plan_only",
]
