"""Making a bare machine a safe, ready server: observe, plan, apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.lazy import loader

if TYPE_CHECKING:
    from ftl.server.setup.planning import SetupPlan, Wanted
    from ftl.server.setup.registries import log_in_to_registries, store_credentials
    from ftl.server.setup.setting_up import Access, setup

__all__ = ["Access", "SetupPlan", "Wanted", "log_in_to_registries", "setup", "store_credentials"]

__getattr__ = loader(
    __name__,
    {
        "Access": "setting_up",
        "SetupPlan": "planning",
        "Wanted": "planning",
        "log_in_to_registries": "registries",
        "setup": "setting_up",
        "store_credentials": "registries",
    },
)
