"""Build contexts of a takeover: secrets and FTL's own files stay out of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.ignored import DOCKERIGNORE, matching, names_for, not_ignored, of_gitignore
from ftl.onboarding.stacks.node.package_json import public_env_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl.onboarding.takeover.draft import Draft


def ignore_files(draft: Draft, folder: Path) -> None:
    """Add a .dockerignore to each context that has none; report lines missing in others."""
    for context, dockerfile in sorted(set(_contexts(draft))):
        path, top = (folder / context).resolve(), folder.resolve()
        if not path.is_dir() or not path.is_relative_to(top):
            continue
        is_top = path == top  # ftl.yaml is to come, and .env may be
        names = [name for name in names_for(path) if is_top or (path / name).exists()]
        of_git = of_gitignore(AppFolder(path).read(".gitignore")) if is_top and draft.is_of_commits else []
        names += [name for name in matching(path, of_git) if name not in names]
        missing = not_ignored(path, names, dockerfile)
        if not missing:
            continue
        name = ".dockerignore" if is_top else f"{path.relative_to(top)}/.dockerignore"
        if (path / ".dockerignore").exists():
            draft.report.todo(name, f"add to it, so that they are not in the image: {' '.join(missing)}")
        else:
            public = "".join(f"{line}\n" for line in public_env_files(AppFolder(path)))
            head = "# What git ignores, and so was in no image before:"
            more = "".join(f"{line}\n" for line in (head, *of_git)) if of_git else ""
            draft.files.setdefault(name, DOCKERIGNORE + public + more)


def _contexts(draft: Draft) -> Iterator[tuple[str, str]]:
    """The folder and the Dockerfile of each build that has a folder of this machine."""
    for keys in (*draft.services.values(), *draft.dependencies.values()):
        match keys.get("build"):
            case str(context):
                dockerfile: object = None
            case dict(options):
                context, dockerfile = str(options.get("context", ".")), options.get("dockerfile")
            case _:
                continue
        if "://" not in context and "${" not in context:
            yield context, str(dockerfile or "Dockerfile")
