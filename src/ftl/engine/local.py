"""Address of this machine's engine: the one that the docker CLI would use."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = Path("/var/run/docker.sock")

# Below the home folder: Docker Desktop (macOS, Linux), Colima, Rancher Desktop, OrbStack.
_HOME_SOCKETS = (
    ".docker/run/docker.sock",
    ".docker/desktop/docker.sock",
    ".colima/default/docker.sock",
    ".rd/docker.sock",
    ".orbstack/run/docker.sock",
)


def unix(path: Path) -> str:
    """The URL of an engine behind a unix socket."""
    return f"unix://{path}"


def local_url(environ: Mapping[str, str] | None = None, home: Path | None = None) -> str:
    """URL of this machine's engine ("unix:///..." or "tcp://...").

    In the docker CLI's order: DOCKER_HOST, DOCKER_CONTEXT, the current context of its config.json, the
    default socket; then the sockets of rootless Docker and of the usual desktop products.

    The arguments replace the process's environment and the user's home folder.

    Raises:
        UsageError: The configured engine cannot be used as this machine's: it is reached by SSH or with TLS, or its
            context does not exist.
    """
    environ = os.environ if environ is None else environ
    home = Path.home() if home is None else home
    if host := environ.get("DOCKER_HOST"):
        return _usable(host, "DOCKER_HOST")
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    context = environ.get("DOCKER_CONTEXT") or _current_context(folder)
    if context and context != "default":
        return _usable(_context_host(folder, context), f"the docker context `{context}`")
    runtime = environ.get("XDG_RUNTIME_DIR")
    rootless = [Path(runtime) / "docker.sock"] if runtime else []
    candidates = [DEFAULT, *rootless, *(home / name for name in _HOME_SOCKETS)]
    return unix(next((path for path in candidates if path.is_socket()), DEFAULT))


def _usable(host: str, setting: str) -> str:
    if host.startswith("ssh://"):
        raise UsageError(
            f"{setting} names an engine that is reached by SSH ({host})",
            hint="unset it to use this machine's engine; a server to deploy to belongs in `server.host`",
        )
    if not host.startswith(("unix://", "tcp://", "http://")):
        raise UsageError(f"{setting} names an engine with an unsupported address: {host}")
    return host


def _current_context(folder: Path) -> str:
    try:
        config = as_object(parse_json(read_small_text(folder / "config.json")))
    except (OSError, ValueError):  # absent or broken: the docker CLI also goes on with its defaults
        return ""
    return as_str(config.get("currentContext"))


def _context_host(folder: Path, context: str) -> str:
    """The CLI keeps a context in a folder named by the SHA-256 of its name."""
    digest = hashlib.sha256(context.encode()).hexdigest()
    try:
        meta = as_object(parse_json(read_small_text(folder / "contexts" / "meta" / digest / "meta.json")))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the docker context `{context}` cannot be read",
            cause=str(error),
            hint="`docker context ls` lists them, `docker context use default` selects the default",
        ) from error
    if (folder / "contexts" / "tls" / digest / "docker").is_dir():
        raise UsageError(
            f"the docker context `{context}` uses TLS, which is not supported for this machine's engine"
        )
    host = as_str(as_object(as_object(meta.get("Endpoints")).get("docker")).get("Host"))
    return host or unix(DEFAULT)
