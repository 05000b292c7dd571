"""The shell scripts that run inside the proxy: constants, whose arguments are data and never shell text.

A script goes on to its end even if whoever started it is cut off, so each is one whole change. They keep to
what a busybox without flock has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.proxy.names import ADMIN, CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Mapping

STALE = 75
"""Exit status of `RELOAD` when somebody else changed the configuration since it was read (EX_TEMPFAIL)."""

_RELOAD = """
cd /config/ftl || exit 1
lock=/dev/shm/ftl-proxy tries=0
until mkdir "$lock" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ] || break  # 30 s: whoever held it was killed
  sleep 0.2
done
trap 'rm -rf "$lock" "next/$1"' EXIT
[ "$(sha256sum < caddy.json)" = "$2  -" ] || exit 75
caddy reload --address "$4" --config "next/$1/caddy.json" || exit 1
mv -f "next/$1/caddy.json" caddy.json || exit 1
if [ -f "next/$1/site.json" ]; then
  mv -f "next/$1/site.json" "sites/$3.json"
else
  rm -f "sites/$3.json"
fi
"""

_SWITCH = """
set -e
mkdir -p /config/live
cd /config/live
for pair; do printf %s "${pair#*=}" > ".${pair%%=*}"; done
for pair; do mv -f ".${pair%%=*}" "${pair%%=*}"; done
for pair; do echo "$pair"; done
"""


_CERTIFIED = """
root=$1
shift
for pair; do
  if [ -e "$root/${pair#*=}" ]; then echo "${pair%%=*}"; fi
done
"""


def reload(change: str, seen: str, project: str) -> list[str]:
    """Load the uploaded configuration `next/CHANGE` and keep it, with the project's site, if Caddy takes it.

    Args:
        change: The name of the uploaded folder; it is removed in any case. Without a `site.json` in it the
            project's site is removed.
        seen: Digest of the configuration that the change was made from; if it is another by now, nothing
            happens.
        project: Whose site it is.
    """
    return ["sh", "-c", _RELOAD, "ftl", change, seen, project, ADMIN]


def switch(live: Mapping[str, str]) -> list[str]:
    """Let live files (`PROJECT.SERVICE`) name other aliases: all are written before one is moved."""
    return ["sh", "-c", _SWITCH, "ftl", *(f"{name}={alias}" for name, alias in sorted(live.items()))]


def certified(files: Mapping[str, str]) -> list[str]:
    """Print those of the hosts whose certificate Caddy has in store; `files` says where each would be."""
    return ["sh", "-c", _CERTIFIED, "ftl", CERTIFICATES, *(f"{host}={file}" for host, file in files.items())]


def upstreams() -> list[str]:
    """Print Caddy's list of upstreams with their requests in flight."""
    # No `-T`: with it a statically linked busybox crashes (Debian's 1.35).
    return ["wget", "-q", "-O", "-", f"http://{ADMIN}/reverse_proxy/upstreams"]
