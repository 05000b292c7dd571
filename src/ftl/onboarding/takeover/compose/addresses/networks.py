"""Networks of a Compose file, which become the one of the project, and the losses by that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.nodes import entries, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import MappingNode
    from ftl.onboarding.takeover.compose.conversion import ConversionContext

_OF_A_PROXY = re.compile(r"traefik|proxy|caddy|nginx|ingress|public|frontend|web|edge", re.IGNORECASE)
"""Names of networks that another project's proxy is in."""


def report_networks(
    context: ConversionContext, root: MappingNode, services: Mapping[str, MappingNode]
) -> None:
    """Report networks of other projects, those without a way out, and fixed addresses."""
    report = context.draft.report
    for key, node in entries(root.get("networks")).items():
        options = entries(node)
        name = context.texts.resolve(text(options.get("name"))) or key
        if text(options.get("external")) == "true" or entries(options.get("external")):
            todo = f"reach other projects in {name} by their domains, or by ports that they publish on the server"
            proxy = "each project has one private network, which includes FTL's proxy"
            is_proxys = _OF_A_PROXY.search(name) is not None
            report.add(f"networks.{key}", Verdict.LEFT_OUT if is_proxys else Verdict.NEEDS_YOU,
                       proxy if is_proxys else todo, node.location)  # fmt: skip
        elif text(options.get("internal")) == "true":
            reason = "FTL has no networks without a way out: only the server's firewall keeps containers in"
            report.left_out(f"networks.{key}", reason, node.location)
    for key, service in services.items():
        for network, node in entries(service.get("networks")).items():
            chosen = [option for option in ("ipv4_address", "ipv6_address") if option in entries(node)]
            if chosen and context.kinds[key] in ("service", "dependency"):
                reason = (
                    "the engine chooses addresses: write the name of the service where its address is used"
                )
                report.todo(f"services.{key}.networks.{network}", reason, node.location)
