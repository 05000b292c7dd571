"""Files of the original FTL: the same form as ftl.yaml, with some other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, SequenceNode
from ftl.onboarding.takeover.draft import Draft

if TYPE_CHECKING:
    from pathlib import Path

_RENAMED = {"app_port": "port", "env_vars": "env", "envs": "env"}


def is_ftl_file(root: MappingNode) -> bool:
    """Whether a YAML file is one of FTL: its services are a list, and there is one."""
    services = root.get("services")
    return isinstance(services, SequenceNode) and bool(services.items)


def take_over(file: Path, root: MappingNode, folder: Path) -> Draft:
    """Take over the text as it is written, with the present names of keys."""
    draft = Draft(str(file), "")
    lines = root.location.file.text.split("\n")
    for key, entry in root.entries.items():
        draft.report.taken(key, "", entry.key)
    for section in ("services", "dependencies"):
        items = root.get(section)
        for item in items.items if isinstance(items, SequenceNode) else ():
            for key, entry in item.entries.items() if isinstance(item, MappingNode) else ():
                name, index, column = _RENAMED.get(key), entry.key.line - 1, entry.key.column - 1
                if name is not None and lines[index].startswith(key, column):
                    lines[index] = f"{lines[index][:column]}{name}{lines[index][column + len(key) :]}"
                    draft.report.changed(f"{section}.{key}", name, entry.key)
    if file.resolve().parent != folder.resolve():
        draft.report.todo("paths", f"relative paths start from ftl.yaml now: they started from {file.parent}")
    draft.written = "\n".join(lines)
    return draft
