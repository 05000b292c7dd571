"""package.json: packages, scripts, package managers and the version of Node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import Evidence
from ftl.onboarding.stacks.node.version import node_version
from ftl.onboarding.templates import apt_install

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

IGNORED = ("node_modules", ".next", "dist", "coverage", "npm-debug.log*", ".turbo")
"""Lines of .dockerignore: folders that the build makes."""


_FROM_GIT = re.compile(r"git(?:\+|:|hub:|lab:)|bitbucket:|https?://\S+\.git\b|[\w.-]+/[\w.-]+(?:#|$)")
"""A version of a package that is a repository: `github:OWNER/NAME`, `git+https://...`, `OWNER/NAME`."""

_PUBLIC = re.compile(r"(?:VITE|PUBLIC|NEXT_PUBLIC|NUXT_PUBLIC|REACT_APP|VUE_APP|GATSBY)_\w+")


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager.

    Attributes:
        install: Command that installs what the lock file says, and nothing else.
        cache: Folder of its downloads.
        prune: Command that removes the packages of development.
        prepare: Lines before, for the image that lacks the manager.
    """

    name: str
    lock: str
    install: str
    unlocked: str
    cache: str
    run: str
    prune: str
    prepare: str = ""


MANAGERS = (
    Manager(
        "pnpm",
        "pnpm-lock.yaml",
        "pnpm install --frozen-lockfile",
        "pnpm install",
        "/pnpm/store",
        "pnpm run",
        "CI=true pnpm prune --prod --ignore-scripts",
        "ENV PNPM_HOME=/pnpm PATH=/pnpm:$PATH\nRUN corepack enable pnpm",
    ),
    Manager(
        "yarn",
        "yarn.lock",
        "yarn install --frozen-lockfile",
        "yarn install",
        "/usr/local/share/.cache/yarn",
        "yarn run",
        "yarn install --production --ignore-scripts --prefer-offline",
    ),
    Manager(
        "npm",
        "package-lock.json",
        "npm ci",
        "npm install",
        "/root/.npm",
        "npm run",
        "npm prune --omit=dev",
    ),
)


_BERRY = Manager(
    "yarn",
    "yarn.lock",
    "yarn install --immutable",
    "yarn install",
    "/root/.yarn/berry/cache",
    "yarn run",
    "yarn workspaces focus --production",
    "RUN corepack enable yarn",
)


BUN = Manager(
    "bun",
    "bun.lock",
    "bun install --frozen-lockfile",
    "bun install",
    "/root/.bun/install/cache",
    "bun run",
    "rm -rf node_modules && bun install --frozen-lockfile --production --ignore-scripts",
    "RUN npm install --global bun",
)


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


def manager(folder: AppFolder) -> tuple[Manager, str | None]:
    """The package manager, and its lock file if there is one."""
    named = str(folder.read_json("package.json").get("packageManager", ""))
    berry = folder.has(".yarnrc.yml") or re.match(r"yarn@[2-9]", named)
    for candidate in MANAGERS:
        if folder.has(candidate.lock):
            return (_BERRY if candidate.name == "yarn" and berry else candidate), candidate.lock
    for candidate in MANAGERS:
        if named.startswith(f"{candidate.name}@"):
            return (_BERRY if candidate.name == "yarn" and berry else candidate), None
    if lock := folder.has("bun.lock", "bun.lockb"):
        return BUN, lock
    return (BUN, None) if named.startswith("bun@") else (MANAGERS[-1], None)


def public_variables(folder: AppFolder) -> tuple[str, ...]:
    """Variables whose values a bundler writes into what browsers get."""
    return tuple(name for name in folder.variables if _PUBLIC.fullmatch(name))


def public_env_files(folder: AppFolder) -> tuple[str, ...]:
    """Lines of .dockerignore that keep env files with nothing but public variables."""
    lines = folder.read(".env.production").splitlines()
    names = [line.partition("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")]
    return ("!.env.production",) if names and all(map(_PUBLIC.fullmatch, names)) else ()


def uses_prisma(folder: AppFolder) -> bool:
    """Whether the app has Prisma, whose engines need OpenSSL, which slim images lack."""
    return bool({"prisma", "@prisma/client"} & packages(folder).keys())


def dockerfile_values(folder: AppFolder) -> tuple[dict[str, str], tuple[Evidence, ...]]:
    """Values for the templates of Dockerfiles, with the facts behind them."""
    used, lock = manager(folder)
    version, reason = node_version(folder)
    more = [name for name in (".npmrc", ".yarnrc.yml", "pnpm-workspace.yaml") if folder.has(name)]
    locked = " ".join(["package.json", *([lock] if lock else []), *more])
    prepare = (
        used.prepare
        if lock
        else f"{used.prepare}\n# There is no lock file: commit one, so that builds are repeatable.".strip()
    )
    values = {
        "version": version,
        "prepare": prepare,
        "locked": locked,
        "cache": f"--mount=type=cache,target={used.cache}",
        "install": used.install if lock else used.unlocked,
        "run": used.run,
        "prune": used.prune,
    }
    if folder.has_folder("prisma"):  # the install script of prisma's client reads the schema
        values["prepare"] = f"{prepare}\nCOPY prisma ./prisma/".strip()
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
