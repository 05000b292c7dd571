"""Templates of Dockerfiles: text files with `@NAME@`; a line whose only value is empty goes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ftl.common.programs import read_packaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.app import Command

_NAME = re.compile(r"@([a-z_]+)@")


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill a template of the folder `templates`."""
    text = read_packaged("ftl.onboarding", f"templates/{template}")
    lines: list[str] = []
    for line in text.splitlines():
        alone = _NAME.fullmatch(line)
        if alone is not None:
            lines += values[alone[1]].splitlines()
        else:
            lines.append(_NAME.sub(lambda match: values[match[1]], line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def cmd(command: Command) -> str:
    """A command as CMD of a Dockerfile, in exec form."""
    return f"CMD {json.dumps(list(command))}"


def with_port(dockerfile: str, port: int, *, variable: bool) -> str:
    """A Dockerfile of ours whose program listens on a port.

    If the program learns it by the variable PORT, that is set unless the Dockerfile does so already.
    """
    set_port = f"ENV PORT={port}\n" if variable and not re.search(r"\bPORT=", dockerfile) else ""
    without = re.sub(r"^EXPOSE .*\n", "", dockerfile, flags=re.MULTILINE)
    return re.sub(r"^CMD ", f"{set_port}EXPOSE {port}\nCMD ", without, count=1, flags=re.MULTILINE)


def apt_install(packages: str, comment: str = "") -> str:
    """RUN that installs Debian packages, with downloads in cache mounts; empty without packages."""
    if not packages:
        return ""
    return f"""{f"# {comment}" if comment else ""}
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \\
    rm -f /etc/apt/apt.conf.d/docker-clean \\
    && apt-get update && apt-get install -y --no-install-recommends {packages}""".lstrip()
