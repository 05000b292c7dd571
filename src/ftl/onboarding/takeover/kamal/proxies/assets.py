"""Assets of old pages, which Kamal keeps: the lines that keep them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.image.building.inputs.image_settings import image_settings
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.nodes import entries, text

if TYPE_CHECKING:
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion


def lines_that_keep(kamal: KamalConversion, folder: str) -> str:
    """Lines of Dockerfile and ftl.yaml with which a volume has the assets of all releases."""
    build = entries(kamal.root.get("builder"))
    dockerfile = kamal.texts.resolve(text(build.get("dockerfile"))) or "Dockerfile"
    context = kamal.texts.resolve(text(build.get("context"))) or "."
    user = image_settings(AppFolder(kamal.base / context).read(dockerfile)).user
    # A new volume has the owner of the folder in the image, and the hook writes as the image's user
    is_root = user in ("", "root", "0")
    own, where = ("", "at the end") if is_root else (f" && chown -R {user} {folder}", "before `USER`")
    copied = f"`RUN cp -a {folder} /assets{own}` {where} of {dockerfile}"
    return f"{copied}, `volumes: [assets:{folder}]` and `hooks: {{pre: cp -r /assets/. {folder}/}}`"
