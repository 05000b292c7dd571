"""Commands that run inside the proxy container.

Their scripts are constants; arguments are data and never shell text. A script runs to its end even if the connection
that started it is lost, so each is one whole change. They use only what a busybox without flock has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.programs import program, shell
from ftl.proxy.names import ACCESS_LOG, ADMIN, CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINES = 5000
"""Lines of the access log that are read at most: a busybox awk takes half a second for them on a slow machine."""

_LOCK = "scripts/proxy_lock.sh"

_SCRIPTS = {
    "adopt": ("scripts/adopt.sh",),
    "reload": (_LOCK, "scripts/reload.sh"),
    "share": (_LOCK, "scripts/share.sh"),
    "switch": ("scripts/switch.sh",),
}
"""Scripts by name, of which a server of a cluster has a copy."""

STALE = 75
"""Exit status of `reload` if the configuration was changed meanwhile (EX_TEMPFAIL)."""


def reload(folder: str, base: str, project: str, *, running: bool = True) -> list[str]:
    """Load the uploaded configuration `next/FOLDER`, and store it if Caddy accepts it.

    The uploaded one is removed in any case; without a `site.json` in it the project's site is. If the configuration is
    no longer the one of digest `base`, nothing happens; where Caddy is not `running`, it is only stored.
    """
    script, admin = program(__package__, *_SCRIPTS["reload"]), ADMIN if running else ""
    return shell(script, "ftl", folder, base, project, admin)


def switch(live: Mapping[str, str]) -> list[str]:
    """Point live files (`PROJECT.SERVICE`) to other aliases, in the order of `live`.

    All are written before the first is moved.
    """
    pairs = [f"{name}={alias}" for name, alias in live.items()]
    return shell(program(__package__, *_SCRIPTS["switch"]), "ftl", *pairs)


def issued(files: Mapping[str, str]) -> list[str]:
    """Print the hosts whose certificate exists in Caddy's storage; `files` has each one's file."""
    pairs = [f"{host}={file}" for host, file in files.items()]
    return shell(program(__package__, "scripts/issued.sh"), "ftl", CERTIFICATES, *pairs)


def request_figures(project: str, seconds: int) -> list[str]:
    """Print counts of a project's requests in the last seconds (see `access.parse_figures`)."""
    script = program(__package__, "scripts/request_figures.sh")
    return shell(script, "ftl", ACCESS_LOG, project, str(seconds), str(_LINES))


def reach(alias: str, port: int, addresses: int, seconds: float) -> list[str]:
    """Try the way to the containers behind an alias, for as long (see `reach.read_reach`)."""
    script = program(__package__, "scripts/reach.sh")
    return shell(script, "ftl", ADMIN, alias, str(port), str(addresses), str(round(seconds)))


def upstreams() -> list[str]:
    """Print Caddy's list of upstreams with their requests in flight."""
    # No `-T`: with it a statically linked busybox crashes (Debian's 1.35).
    return ["wget", "-q", "-O", "-", f"http://{ADMIN}/reverse_proxy/upstreams"]


def adoption() -> dict[str, str]:
    """Scripts by which a server of a cluster keeps its proxy up to date, by their names there."""
    return {name: program(__package__, *paths).rstrip("\n") for name, paths in _SCRIPTS.items()}
