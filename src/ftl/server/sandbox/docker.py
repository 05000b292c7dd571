"""This machine's docker command, for what only a sandbox needs: an image built, a privileged container.

Deploys speak the Engine API instead (ftl.engine), which is kept to what deploys do. Here the command is the
better tool: it knows the user's contexts and build proxies, and whichever builder there is.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl.child import Completed, complete, lines_of
from ftl.engine import local_url
from ftl.errors import BuildFailed, EngineError, EngineUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SHORT = 60.0
"""Seconds that an ordinary call may take."""

_NO_ENGINE = ("cannot connect to the docker daemon", "is the docker daemon running", "error during connect")
_NO_ACCESS = "permission denied while trying to connect"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Docker:
    """The docker command, whichever comes first on PATH: any version will do.

    Attributes:
        host: The engine that it speaks to, for DOCKER_HOST: the one that the rest of FTL calls this machine's.

    Raises from every method: EngineUnavailable when no engine answers, EngineError when the command fails or
    takes longer than it may.
    """

    program: str
    host: str

    async def run(self, *argv: str, stdin: bytes | None = None, timeout: float = SHORT) -> str:
        """Run a sub-command that must succeed.

        Returns:
            Its stdout, stripped.
        """
        done = await self.attempt(*argv, stdin=stdin, timeout=timeout)
        if done.exit_code:
            raise failure(argv, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace").strip()

    async def attempt(self, *argv: str, stdin: bytes | None = None, timeout: float = SHORT) -> Completed:
        """Run a sub-command that may fail; it is killed when it takes longer than `timeout` seconds."""
        command = (self.program, *argv)
        try:
            return await complete(command, stdin=stdin, seconds=timeout, env=self._environment())
        except TimeoutError:
            raise EngineError(f"`docker {argv[0]}` took longer than {timeout:.0f} s") from None

    async def follow(
        self,
        *argv: str,
        on_line: Callable[[str], None],
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        patience: float = SHORT,
        timeout: float = 600.0,
    ) -> int:
        """Run a long sub-command and pass on what it prints, line by line.

        Args:
            argv: The sub-command and its arguments.
            on_line: Called with each line of stdout and stderr.
            stdin: What it reads.
            environment: Variables on top of our own.
            patience: Seconds in which the first line must come.
            timeout: Seconds for the whole.

        Returns:
            Its exit status.
        """
        env = self._environment() | dict(environment or {})
        try:
            async with (
                asyncio.timeout(patience) as first,
                asyncio.timeout(timeout),
                lines_of((self.program, *argv), stdin=stdin, env=env) as (lines, process),
            ):
                async for line in lines:
                    first.reschedule(None)
                    on_line(line.rstrip())
                return await process.wait()
        except TimeoutError:
            raise EngineError(f"`docker {argv[0]}` did not answer in time") from None

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """What the engine says about a container; None where there is none of that name."""
        done = await self.attempt("container", "inspect", container)
        if done.exit_code:
            message = done.stderr.decode(errors="replace")
            if "no such container" in message.lower():
                return None
            raise failure(("inspect",), message)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found[0]

    async def has_image(self, reference: str) -> bool:
        """Whether the engine holds an image under this name."""
        return bool(await self.run("images", "--quiet", reference))

    async def pull(self, reference: str, *, patience: float = 10.0) -> bool:
        """Pull an image, if its registry answers within `patience` seconds.

        Returns:
            Whether the image is there now. Why not is of no interest to callers: they have another way.
        """
        try:
            status = await self.follow("pull", reference, on_line=lambda _: None, patience=patience)
        except EngineUnavailable:
            raise
        except EngineError:
            return False
        return status == 0

    async def build(
        self,
        tag: str,
        context: bytes,
        *,
        arguments: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Build an image from a context given as a tar, with BuildKit where this docker command has it.

        Without the buildx plugin a docker command from 23.0 on refuses to build with BuildKit; with it, a
        builder in a container may be selected, which keeps what it built unless told to `--load` it.

        Raises:
            BuildFailed: With the last lines of the build as details.
        """
        has_buildx = (await self.attempt("buildx", "version")).exit_code == 0
        options = ["--load"] if has_buildx else []
        for name, value in (arguments or {}).items():
            options += ["--build-arg", f"{name}={value}"]
        for name in _PROXIES:
            options += ["--build-arg", name] if name in os.environ else []
        for name, value in (labels or {}).items():
            options += ["--label", f"{name}={value}"]
        lines: list[str] = []

        def keep(line: str) -> None:
            lines.append(line)
            on_line(line)

        environment = {"DOCKER_BUILDKIT": "1" if has_buildx else "0"}
        if await self.follow(
            "build", *options, "--tag", tag, "-", on_line=keep, stdin=context, environment=environment
        ):
            raise BuildFailed(f"the image {tag} could not be built").with_details(lines[-20:])

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.host}


def find() -> Docker:
    """The docker command on PATH, for this machine's engine.

    Raises:
        UsageError: There is none, or the engine that the user's settings name is not this machine's.
    """
    program = shutil.which("docker")
    if program is None:
        raise UsageError(
            "there is no `docker` command on this machine", hint="install Docker, then try again"
        )
    return Docker(program, local_url())


def failure(argv: Sequence[str], stderr: str) -> EngineError:
    """The error for a docker command that failed, in the engine's own words."""
    words = " ".join(line.strip() for line in stderr.splitlines() if line.strip() and "--help" not in line)
    lowered = words.lower()
    if _NO_ACCESS in lowered:
        return EngineUnavailable(
            "this user may not use the Docker engine of this machine",
            cause=words,
            hint="add the user to the `docker` group, and log in again",
        )
    if any(sign in lowered for sign in _NO_ENGINE):
        return EngineUnavailable(
            "no Docker engine answers on this machine", cause=words, hint="start Docker, then try again"
        )
    return EngineError(f"`docker {argv[0]}` failed", cause=words.removeprefix("Error response from daemon: "))
