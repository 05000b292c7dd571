"""Go apps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Fact
from ftl.onboarding.stacks.common import found_health, found_port
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_ASSETS = ("templates", "static", "public", "views", "web", "assets", "migrations")


def go(folder: AppFolder) -> str | None:
    """Evidence of a Go module with a program."""
    if folder.has("go.mod") and folder.search(r"^package main\b", ".go"):
        return "go.mod and a package main"
    return None


def describe_go(folder: AppFolder, evidence: str) -> App:
    """A static program on an image without a shell."""
    version = re.search(r"^go (\d+\.\d+)", folder.read("go.mod"), re.MULTILINE)
    mains = sorted({name.rpartition("/")[0] for name, text in folder.sources.items() if _is_main(name, text)})
    package = "." if "" in mains else f"./{mains[0]}"
    port, reason = found_port(folder, 8080, ".go")
    embedded = folder.search(r"^//go:embed", ".go")
    assets = [name for name in _ASSETS if folder.has_folder(name) and not embedded]
    todo = []
    if len(mains) > 1 and "" not in mains:
        todo.append(f"there are {len(mains)} programs ({', '.join(mains)}): the Dockerfile builds {package}")
    text = render(
        "go.dockerfile",
        {
            "version": version[1] if version else "1",
            "locked": "go.mod go.sum" if folder.has("go.sum") else "go.mod",
            "package": package,
            "assets": "\n".join(f"COPY {name} ./{name}" for name in assets),
            "port": str(port),
        },
    )
    text = text.replace("EXPOSE", f"ENV PORT={port}\nEXPOSE") if "PORT" in folder.variables else text
    modules = {
        line.split()[0]
        for line in re.findall(r"^\s*(?:require )?(\S+/\S+ v\S+)", folder.read("go.mod"), re.M)
    }
    return App(
        stack="Go",
        evidence=evidence,
        port=port,
        port_reason=reason,
        dockerfile=text,
        packages=frozenset(re.sub(r"/v\d+$", "", name) for name in modules),
        start=("/app/app",),
        start_reason=f"package main in {package}",
        health=found_health(folder),
        facts=(Fact("Go", version[1] if version else "1", "go.mod"),),
        todo=tuple(todo),
    )


def _is_main(name: str, text: str) -> bool:
    return name.endswith(".go") and bool(re.search(r"^package main\b", text, re.M)) and "func main()" in text
