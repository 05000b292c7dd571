"""All classes of steps that a deploy's plan may have."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ftl.deploy.plan import steps
from ftl.deploy.plan.steps.base import Step


def step_classes() -> set[type[Step]]:
    """The classes that the modules of `ftl.deploy.plan.steps` declare, without the base classes."""
    modules = [
        import_module(f"{steps.__name__}.{each.name}") for each in pkgutil.iter_modules(steps.__path__)
    ]
    return {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Step) and "kind" in vars(each)
    }
