"""Previews: refuse to make one of another project, and to deploy over one.

At its end the server removes all that has the label of the preview's project, with the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import utc
from ftl.common.next_step import ftl
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.releases.preview import Preview


def refuse_not_preview(diff: Diff) -> None:
    """Refuse a preview of the name of a project that is none, and a deploy over a preview.

    Raises:
        UsageError: Nothing was touched.
    """
    observed, name = diff.observed, diff.project.name
    if diff.request.purpose.from_record:
        return
    if observed.preview is not None and not diff.project.preview_of:
        preview = observed.preview
        raise UsageError(
            f"{name} on {observed.server} is a preview, which is removed at {utc(preview.until)}",
            hint=f"{_frees(preview, name)} frees the name",
        )
    asked = diff.request.purpose.preview
    if asked is None:
        return
    if observed.preview is None and _has_anything(observed):
        raise UsageError(
            f"{observed.server} has {name}, which is not a preview: the preview's end would remove its data",
            hint="give the preview another name",
        )
    if observed.preview is not None and not observed.preview.may_be((asked.of, asked.name)):
        raise _other_preview(observed, observed.preview)


def is_deployed(observed: Observed, identity: tuple[str, str]) -> bool:
    """Whether the project is this preview; otherwise it has nothing on the server any more.

    Raises:
        UsageError: It is something else.
    """
    if observed.preview is None:
        if _has_anything(observed):
            raise UsageError(
                f"{observed.project} on {observed.server} is not a preview",
                hint=f"{ftl(f'remove --project {observed.project}')} removes it",
            )
        return False
    if not observed.preview.may_be(identity):
        raise _other_preview(observed, observed.preview)
    return True


def _frees(preview: Preview, project: str) -> str:
    if not preview.name:  # its file is damaged
        return ftl(f"remove --project {project}")
    return ftl(f"preview down {preview.name} --project {preview.of}")


def _other_preview(observed: Observed, preview: Preview) -> UsageError:
    """Projects `a` and `a-b` with previews `b-c` and `c`, or a `project.name` in ftl.preview.yaml."""
    return UsageError(
        f"{observed.project} on {observed.server} is the preview {preview.name} of {preview.of}",
        hint="give this one another name, and leave `project.name` out of ftl.preview.yaml",
    )


def _has_anything(observed: Observed) -> bool:
    """Whether the project has containers or data.

    Release records alone stay after `ftl remove`; volumes alone are those of a first deploy that was cut short before
    its preview was marked.
    """
    volumes = observed.volumes if observed.releases else ()
    owners = (
        *(one.project for one in observed.containers),
        *(one.labels.get(labels.PROJECT) for one in volumes),
    )
    return observed.project in owners
