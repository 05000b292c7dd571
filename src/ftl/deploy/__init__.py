"""observe -> plan -> apply: how a project becomes what runs on a server.

What plans and applies brings all of FTL with it, and is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_WHERE = {
    "Change": "plan",
    "Plan": "plan",
    "Session": "session",
    "open_session": "session",
}


def __getattr__(name: str) -> object:
    """Load a module of this package when something of it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_WHERE.get(name, 'deploying')}"), name)
    return found
