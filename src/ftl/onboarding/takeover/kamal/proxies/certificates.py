"""Certificates of Kamal's proxy, which come from its secrets: files of this machine here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode
from ftl.onboarding.takeover.nodes import entries, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_FALSE = ("false", "no", "off")


def convert_certificate(kamal: KamalConversion, service: str, node: MappingNode) -> None:
    """Report how the secrets of a certificate become its files, with the commands and the keys."""
    options = entries(node)
    files = {"certificate_pem": "certs/fullchain.pem", "private_key_pem": "certs/key.pem"}
    commands = ["mkdir -m 700 -p certs"]
    for key, file in files.items():
        name = text(options.get(key))
        if name in kamal.sources.declared:
            commands.append(f"ftl secrets get {name} > {file}")
        else:
            commands.append(f"printf '%s\\n' \"${name or key.upper()}\" > {file}")
    commands.append("echo certs/ | tee -a .gitignore >> .dockerignore")
    written = f"proxy: {{certificate: {files['certificate_pem']}, key: {files['private_key_pem']}}}"
    todo = f"`{' && '.join(commands)}`, then write `{written}`; it is that of all hosts here. Without it FTL gets one "
    todo += "for each host from Let's Encrypt"
    kamal.add("proxy.ssl", Verdict.NEEDS_YOU, todo, node)
    kamal.draft.note(service, f"proxy.ssl: {todo}")
    kamal.draft.unset_lines[written] = "once both files exist"


def report_tls(kamal: KamalConversion, path: str, node: Node | None) -> None:
    """Report `ssl` of one of several roles or accessories: TLS is the same for all hosts here."""
    if node is None:
        return
    whole = entries(kamal.root.get("proxy")).get("ssl")
    if isinstance(node, MappingNode):
        todo = "FTL has one certificate for all hosts, in `proxy`, or gets one for each from Let's Encrypt"
        kamal.add(path, Verdict.NEEDS_YOU, todo, node)
    elif isinstance(whole, MappingNode):
        todo = "the certificate in `proxy` must have this host, too: FTL uses it for all hosts"
        kamal.add(path, Verdict.NEEDS_YOU, todo, node)
    elif (text(node).lower() in _FALSE) != (whole is None or text(whole).lower() in _FALSE):
        todo = "TLS is the same for all hosts here: `proxy.tls` of the project decides"
        kamal.add(path, Verdict.NEEDS_YOU, todo, node)
    else:
        kamal.add(path, Verdict.CHANGED, "`proxy.tls` of the project", node)
