"""package.json: packages, scripts, package managers and the version of Node."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import Evidence
from ftl.onboarding.stacks.node.managers import manager, node_version
from ftl.onboarding.stacks.prisma import find_datasource
from ftl.onboarding.templates import apt_install

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


_LAST_WITH_COREPACK = 24
"""Images of newer versions of Node have no Corepack."""

IGNORED = ("node_modules", ".next", "dist", "coverage", "npm-debug.log*", ".turbo")
"""Lines of .dockerignore: folders that the build makes."""


_FROM_GIT = re.compile(r"git(?:\+|:|hub:|lab:)|bitbucket:|https?://\S+\.git\b|[\w.-]+/[\w.-]+(?:#|$)")
"""A version of a package that is a repository: `github:OWNER/NAME`, `git+https://...`, `OWNER/NAME`."""

_PUBLIC = re.compile(r"(?:VITE|PUBLIC|NEXT_PUBLIC|NUXT_PUBLIC|REACT_APP|VUE_APP|GATSBY)_\w+")


def packages(folder: AppFolder, *, development: bool = True) -> dict[str, str]:
    """Names and versions of the direct dependencies."""
    data = folder.read_json("package.json")
    parts = [data.get(key) for key in ("dependencies", "devDependencies")[: 2 if development else 1]]
    return {
        str(name): str(version) for part in parts if isinstance(part, dict) for name, version in part.items()
    }


def scripts(folder: AppFolder) -> dict[str, str]:
    """The scripts of package.json."""
    value = folder.read_json("package.json").get("scripts")
    return {str(name): str(line) for name, line in value.items()} if isinstance(value, dict) else {}


_NEEDS_NO_FILES = re.compile(
    r"(?:npx )?(?:prisma generate|patch-package|husky(?: install)?|only-allow \w+|nux[ti] prepare|svelte-kit sync"
    r"|simple-git-hooks|lefthook install|is-ci|echo|true|exit 0|electron-builder install-app-deps)(?:\s.*)?"
)
"""Commands of an installation that do without the app's files, or whose files are copied before."""


def installed_with_files(folder: AppFolder) -> str:
    """The script that the installation runs and that needs files of the app; empty if none does."""
    known = scripts(folder)
    for name in ("preinstall", "install", "postinstall", "prepare"):
        parts = [part.strip() for part in re.split(r"&&|\|\||;", known.get(name, "")) if part.strip()]
        if any(_NEEDS_NO_FILES.fullmatch(part) is None for part in parts):
            return name
    return ""


def server_build(folder: AppFolder) -> str:
    """The script that builds the app for a server, that for Heroku first; empty without one."""
    return next((name for name in ("heroku-postbuild", "build") if name in scripts(folder)), "")


def public_variables(folder: AppFolder) -> tuple[str, ...]:
    """Variables whose values a bundler writes into files for browsers."""
    return tuple(name for name in folder.variables if _PUBLIC.fullmatch(name))


def public_env_files(folder: AppFolder) -> tuple[str, ...]:
    """Lines of .dockerignore that keep env files with nothing but public variables."""
    lines = folder.read(".env.production").splitlines()
    names = [line.partition("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")]
    return ("!.env.production",) if names and all(map(_PUBLIC.fullmatch, names)) else ()


def uses_prisma(folder: AppFolder) -> bool:
    """Whether the app has Prisma, whose engines need OpenSSL, which slim images lack."""
    return bool({"prisma", "@prisma/client"} & packages(folder).keys())


def _read_by_installation(folder: AppFolder) -> list[str]:
    """Folders that the managers, and the install scripts of packages, read."""
    source = find_datasource(folder)
    schema = source.folder.partition("/")[0] if source is not None else "prisma"
    yarn = [name for name in ("releases", "plugins", "patches") if folder.has_folder(f".yarn/{name}")]
    return [
        name
        for name in dict.fromkeys((*(f".yarn/{name}" for name in yarn), "patches", schema))
        if name and folder.has_folder(name)
    ]


def _build_values(folder: AppFolder) -> str:
    """Assignments without which the build ends: the checks of the environment are for the running app."""
    values = ["SKIP_ENV_VALIDATION=1"] if "SKIP_ENV_VALIDATION" in folder.variables else []
    source = find_datasource(folder)
    if source is not None:
        values += [f"{name}={source.provider}://unused" for name in source.demanded_by_build]
    return "".join(f"{value} " for value in values)


def ignored(folder: AppFolder) -> tuple[str, ...]:
    """Lines of .dockerignore of an app with packages of Node."""
    used, _ = manager(folder)
    return (*IGNORED, *used.ignored, *public_env_files(folder))


def dockerfile_values(folder: AppFolder) -> tuple[dict[str, str], tuple[Evidence, ...]]:
    """Values for the templates of Dockerfiles, with the facts behind them."""
    used, lock = manager(folder)
    version, reason = node_version(folder)
    if int(version) > _LAST_WITH_COREPACK:
        used = replace(
            used, prepare=used.prepare.replace("corepack", "npm install --global corepack && corepack", 1)
        )
    more = [name for name in (".npmrc", ".yarnrc.yml", "pnpm-workspace.yaml") if folder.has(name)]
    locked = " ".join(["package.json", *([lock] if lock else []), *more])
    prepare = (
        used.prepare
        if lock
        else f"{used.prepare}\n# There is no lock file: commit one, so that builds are repeatable.".strip()
    )
    needing = installed_with_files(folder)
    if needing:
        prepare = f"{prepare}\n# The script {needing} of package.json needs files of the app.".strip()
        locked = "."
    values = {
        "version": version,
        "copy": "" if needing else "COPY . .",
        "prepare": prepare,
        "locked": locked,
        "cache": f"--mount=type=cache,target={used.cache}",
        "install": used.install if lock else used.unlocked,
        "run": used.run,
        "build": f"{_build_values(folder)}{used.run} build",
        "prune": used.prune,
    }
    for name in _read_by_installation(folder):
        values["prepare"] = f"{values['prepare']}\nCOPY {name} ./{name}/".strip()
    values["arguments"] = "\n".join(f"ARG {name}" for name in public_variables(folder))
    if uses_prisma(folder):
        openssl = apt_install("openssl", "Prisma's engines look for it.")
        values["prepare"] = f"{openssl}\n{values['prepare']}".strip()
    if any(_FROM_GIT.match(version) for version in packages(folder).values()):
        git = apt_install("git ca-certificates", "A package is taken from a repository.")
        values["prepare"] = f"{git}\n{values['prepare']}".strip()
    facts = (
        Evidence("Node", version, reason, sure="default" not in reason),
        Evidence("packages", used.name, lock or "package.json; there is no lock file", sure=lock is not None),
    )
    return values, facts


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
