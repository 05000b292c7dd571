"""Stand-ins for the base images that generated Dockerfiles name, where no registry has them.

Each is made of Debian's packages and of the tools of this machine, and knows this machine's package mirrors and
certificates as a user's own base image would. Their tags are removed at the end; what was there before is left alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
JAVA_CERTIFICATES = Path("/etc/ssl/certs/java/cacerts")
MIRRORS = (
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "GOPROXY",
    "GOSUMDB",
)
TRUSTED_BY = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")

PYTHON = """\
FROM python-base
RUN ln -sf python3 /usr/bin/python && apt-get update \\
    && apt-get install -y --no-install-recommends python3-pip python3-venv \\
    && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED
"""
NODE = """\
FROM python-base
COPY tools/node /usr/local/bin/node
COPY tools/npm /usr/local/lib/node_modules/npm
COPY tools/corepack /usr/local/lib/node_modules/corepack
ENV COREPACK_INTEGRITY_KEYS=0
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\
    && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \\
    && ln -s ../lib/node_modules/corepack/dist/corepack.js /usr/local/bin/corepack \\
    && useradd --uid 1000 --create-home node
"""
GO = """\
FROM python-base
COPY tools/go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH GOPATH=/go GOTOOLCHAIN=local
"""
JAVA = """\
FROM python-base
RUN apt-get update && mkdir -p /usr/share/man/man1 \\
    && apt-get install -y --no-install-recommends openjdk-VERSION-KIND-headless && rm -rf /var/lib/apt/lists/*
COPY tools/cacerts /etc/ssl/certs/java/cacerts
"""
RUBY = """\
FROM ftl-lab-ruby
"""
"""Debian's Ruby 3.3, and a mirror of the gems that Debian has (lab/recipes/ruby)."""
STATIC = """\
FROM scratch
USER 65532:65532
"""
"""As distroless/static: no shell; certificates are added to every stand-in."""


def recipe(reference: str) -> str | None:
    """Dockerfile of the stand-in for an image; None where there is none."""
    name, _, tag = reference.partition(":")
    if name == "eclipse-temurin":
        version, _, kind = tag.partition("-")
        return JAVA.replace("VERSION", version).replace("KIND", kind)
    if name == "ruby" and tag.startswith("3.3"):
        return RUBY
    recipes = {"python": PYTHON, "node": NODE, "golang": GO, "gcr.io/distroless/static-debian12": STATIC}
    return recipes.get(name)


@contextmanager
def stand_ins(references: set[str]) -> Iterator[None]:
    """Have an image for each reference while the block runs.

    Raises:
        LookupError: An image is not there, and there is no stand-in for it.
    """
    images.ensure("python", "caddy")
    made: list[str] = []
    try:
        for reference in sorted(references):
            if _docker("image", "inspect", reference, check=False):
                continue
            text = recipe(reference)
            if text is None:
                raise LookupError(f"{reference} is not on this machine, and there is no stand-in for it")
            _build(reference, text)
            made.append(reference)
        yield
    finally:
        for reference in made:
            _docker("rmi", "--force", reference, check=False)


def _build(reference: str, dockerfile: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copy(CERTIFICATES, context / "ca.crt")
        _copy_tools(dockerfile, context / "tools")
        settings = {name: value for name in MIRRORS if (value := os.environ.get(name))}
        settings |= dict.fromkeys(TRUSTED_BY, str(CERTIFICATES))
        lines = "".join(f"ENV {name}={value}\n" for name, value in settings.items())
        base, user, account = dockerfile.partition("USER")
        (context / "Dockerfile").write_text(f"{base}COPY ca.crt {CERTIFICATES}\n{lines}{user}{account}")
        _docker("build", "--quiet", "--tag", reference, str(context))


def _copy_tools(dockerfile: str, folder: Path) -> None:
    """Copy Node and npm, Go, or the certificates that Java trusts, as this machine has them."""
    if "tools/node" in dockerfile:
        folder.mkdir()
        shutil.copy(_program("node"), folder / "node")
        shutil.copytree(_program("npm").parent.parent, folder / "npm", symlinks=True)
        shutil.copytree(_program("corepack").parent.parent, folder / "corepack", symlinks=True)
    if "tools/cacerts" in dockerfile:
        folder.mkdir()
        shutil.copy(JAVA_CERTIFICATES, folder / "cacerts")
    if "tools/go" in dockerfile:
        shutil.copytree(_program("go").parent.parent, folder / "go", symlinks=True)


def _program(name: str) -> Path:
    path = shutil.which(name)
    if path is None:
        raise LookupError(f"{name} is not installed on this machine")
    return Path(path).resolve()


def _docker(*argv: str, check: bool = True) -> bool:
    done = subprocess.run(["docker", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"`docker {' '.join(argv)}`: {done.stderr[-2000:]}")
    return done.returncode == 0
