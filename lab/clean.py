"""Removal of the lab's objects from this machine's engine: by label, nothing else."""

from __future__ import annotations

import shutil
import subprocess

from lab.place import LABEL, STATE, say

_KINDS = (
    (("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
    (("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
    (("network", "ls", "--quiet"), ("network", "rm")),
)


def run(name: str | None, *, images: bool = False) -> None:
    """Remove the containers, volumes and networks of one run, or of all; and their keys.

    Args:
        name: The run; None: every run there ever was.
        images: Also the images that the lab built, and those that its servers are made from.
    """
    if shutil.which("docker"):
        label = LABEL if name is None else f"{LABEL}={name}"
        for listing, removal in _KINDS:
            found = _docker(*listing, "--filter", f"label={label}").split()
            if found:
                _docker(*removal, *found)
        if images:
            _remove_images()
    shutil.rmtree(STATE / "runs" / name if name else STATE / "runs", ignore_errors=True)


def _remove_images() -> None:
    from lab import engine, images

    for image in dict.fromkeys(_docker("images", "--quiet", "--filter", "label=ftl.sandbox.image").split()):
        _docker("rmi", "--force", image)
    images.remove()
    if engine.is_ours():
        _docker("builder", "prune", "--all", "--force")


def _docker(*argv: str) -> str:
    done = subprocess.run(("docker", *argv), capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        say(f"`docker {argv[0]}`: {done.stderr.strip()}")
    return done.stdout
