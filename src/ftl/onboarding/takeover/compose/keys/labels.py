"""Labels of a Compose service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.takeover.nodes import pairs
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion


def labels(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Convert labels, without those of another proxy."""
    routing = [name for name in pairs(node) if name.startswith(("traefik.", "caddy"))]
    others = {name: value or "" for name, value in pairs(node).items() if name not in routing}
    if any(name.startswith("ofelia.") for name in others):
        conversion.add(
            key, Verdict.NEEDS_YOU, "scheduled jobs of ofelia: write them as `jobs` of the project"
        )
    elif others:
        conversion.keys["labels"] = {name: conversion.convert(value) for name, value in others.items()}
        conversion.add(key, Verdict.TAKEN)
    if routing and conversion.labelled.routes:
        conversion.add(key, Verdict.CHANGED, "routes")
    elif routing:
        conversion.add(key, Verdict.LEFT_OUT, "FTL has its own proxy")
