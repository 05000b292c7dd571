"""Having new connections wait instead of being refused, for the moment in which nobody listens.

A SYN that is dropped is sent again after one second, then after two more (RFC 6298, 2.1 and 5.5): the visitor waits.
One that meets no listener is refused: the visitor sees an error. So a container in the machine's own network drops
them, by a rule that the kernel itself ends after HOLD_SECONDS (xt_time), whatever becomes of us, of the container or
of the engine. Where that cannot be done (no iptables, a rootless engine), nothing is changed and connections are
refused.
"""

from __future__ import annotations

from ftl.engine import labels

PAUSE_SECONDS = 15

# $1: seconds until it begins, $2: seconds that it lasts at most, $3: ports. Runs on the machine's own file system, for
# its iptables. Ends by SIGTERM; the rules go with it.
_HOLD = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin
until=$(date -u -d "@$(($(date +%s) + $2))" +%Y-%m-%dT%H:%M:%S) || exit 1
rule="PREROUTING -p tcp --syn -m multiport --dports $3 -m addrtype --dst-type LOCAL -m time --datestop $until -j DROP"
each() { for table in iptables ip6tables; do $table -w 2 -t raw "$1" $rule 2>/dev/null; done; }
trap 'each -D; exit 0' TERM INT
sleep "$1" & wait
each -I
sleep "$2" & wait
each -D
"""


def pause_arguments(name: str, image: str, delay: float, ports: str) -> list[str]:
    """The arguments of `docker` that start the container; it is gone after HOLD_SECONDS, or when it is stopped.

    Args:
        name: Of the container.
        image: One that the machine has, with `chroot`.
        delay: Seconds until connections wait.
        ports: Of the machine: "80,443".
    """
    options = ["--detach", "--rm", "--name", name, "--network", "host", "--volume", "/:/host"]
    options += ["--label", f"{labels.ROLE}={labels.ROLE_HOLD}"]
    rights = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]
    script = ["/host", "sh", "-c", _HOLD, "ftl-hold", f"{delay:g}", str(PAUSE_SECONDS), ports]
    return ["run", *options, *rights, "--entrypoint", "chroot", image, *script]
