"""Assets of apps in other languages: Node, packages and a build in their own build stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.stacks.node.package_json import dockerfile_values, scripts

if TYPE_CHECKING:
    from ftl.onboarding.app import Evidence
    from ftl.onboarding.folder import AppFolder


@dataclass(frozen=True, slots=True)
class NodeAssets:
    """Lines of a Dockerfile for a stage that has another language already.

    Attributes:
        packages: Node, the package manager and the packages: before the app's own files.
        run: Command that runs a script of package.json.
    """

    packages: str
    run: str
    facts: tuple[Evidence, ...]


def node_assets(folder: AppFolder) -> NodeAssets:
    """Node of the version that the app names, and its packages by the lock file."""
    values, facts = dockerfile_values(folder)
    image = f"node:{values['version']}-slim"
    lines = [
        f"COPY --from={image} /usr/local/bin/ /usr/local/bin/",
        f"COPY --from={image} /usr/local/lib/node_modules/ /usr/local/lib/node_modules/",
    ]
    if values["run"].startswith("yarn"):
        lines.append(f"COPY --from={image} /opt/ /opt/")
    lines += values["prepare"].splitlines()
    lines += [f"COPY {values['locked']} ./", f"RUN {values['cache']} \\", f"    {values['install']}"]
    return NodeAssets("\n".join(lines), values["run"], facts)


def build_script(folder: AppFolder) -> str | None:
    """The script that builds the assets for a server: `build`, or that of Laravel Mix."""
    known = scripts(folder)
    return next((name for name in ("build", "production", "prod") if name in known), None)
