"""Pause new connections while nothing listens, so that they wait instead of being refused.

A SYN that is dropped is sent again after one second, then after two more (RFC 6298, 2.1 and 5.5): the visitor waits.
One that meets no listener is refused: the visitor sees an error. So a container in the machine's network namespace
drops them, by a rule that the kernel itself ends after PAUSE_SECONDS (xt_time), whatever happens to FTL, the container
or the engine. Where that is impossible (no iptables, a rootless engine), nothing is changed and connections are
refused.
"""

from __future__ import annotations

from ftl.common.programs import program
from ftl.engine import labels

PAUSE_SECONDS = 15


def pause_arguments(name: str, image: str, delay: float, ports: str) -> list[str]:
    """`docker` arguments that start the pausing container.

    It ends after PAUSE_SECONDS or when it is stopped.

    Args:
        name: The container's name.
        image: One that the machine has, with `chroot`.
        delay: Seconds until connections are paused.
        ports: The machine's ports: "80,443".
    """
    options = ["--detach", "--rm", "--name", name, "--network", "host", "--volume", "/:/host"]
    options += ["--label", f"{labels.ROLE}={labels.ROLE_HOLD}"]
    capabilities = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]
    script = program("ftl.proxy", "scripts/pause.sh")
    command = ["/host", "sh", "-c", script, "ftl-hold", f"{delay:g}", str(PAUSE_SECONDS), ports]
    return ["run", *options, *capabilities, "--entrypoint", "chroot", image, *command]
