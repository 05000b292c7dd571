"""Making a bare machine a safe, ready server: observe, plan, apply."""

from __future__ import annotations

from ftl.server.setup.planning import SetupPlan, Wanted
from ftl.server.setup.setting_up import Access, setup

__all__ = ["Access", "SetupPlan", "Wanted", "setup"]
