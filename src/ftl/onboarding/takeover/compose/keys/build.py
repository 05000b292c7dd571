"""Image and build of a Compose service."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftl.config.read.foreign_keys import foreign_hint
from ftl.config.yaml.tree import MappingNode, is_null
from ftl.onboarding.takeover.compose.images_of import image_text
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import UNKNOWN_TO_COMPOSE, Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion


_NOWHERE = "registry.invalid"
"""A host that cannot exist (RFC 2606): a deploy ends at it, and brings no image of the same name from elsewhere."""


def image(conversion: ComposeConversion, key: str, node: Node) -> None:
    """The image of a service that is not built."""
    if conversion.node.get("build") is None or _is_elsewhere(conversion, conversion.node.get("build")):
        conversion.keys["image"] = image_text(text(node), conversion.context.texts)
        conversion.taken(key)
    elif builder := conversion.context.built_by.get(conversion.source):
        what = (
            f"build, that of {conversion.context.names[builder]}, which makes this image: no registry has it"
        )
        conversion.changed(key, what, node)
    else:
        reason = "the built image goes to the server over SSH; with `image`, FTL pushes it to that registry"
        conversion.left_out(key, reason)


def build(conversion: ComposeConversion, key: str, node: Node) -> None:
    """The build of a service: a folder, or a mapping."""
    if isinstance(node, MappingNode):
        options = _options(conversion, node)
        conversion.keys["build"] = options
        folder = str(options["context"])
    else:
        folder = _folder(conversion.resolve(text(node)))
        conversion.keys["build"] = folder
        conversion.taken(key)
    if _is_elsewhere(conversion, node):
        todo = f"clone {folder}, and write `build` with its folder in place of `image`"
        del conversion.keys["build"]
        if pulled := conversion.text(conversion.node.get("image")):
            todo = f"{pulled} is pulled in its place; to build it, {todo}"
        else:
            conversion.keys["image"] = f"{_NOWHERE}/{conversion.name}"
            todo += ", which is a placeholder that nobody can pull"
        conversion.todo(key, todo)
    elif not (conversion.context.base / folder).is_dir():
        conversion.todo(key, f"there is no folder {folder}")


def _is_elsewhere(conversion: ComposeConversion, node: Node | None) -> bool:
    """Whether the files of a build are those of a repository elsewhere."""
    context = conversion.resolve(text(node) or text(entries(node).get("context")))
    return "://" in context or context.startswith(("git@", "github.com/"))


def _folder(path: str) -> str:
    return path.rstrip("/") or "."


def _options(conversion: ComposeConversion, node: MappingNode) -> dict[str, object]:
    context = _folder(conversion.resolve(text(node.get("context")) or "."))
    options: dict[str, object] = {"context": context}
    for key, value in entries(node).items():
        if is_null(value):
            continue
        name = f"build.{key}"
        match key:
            case "context":
                conversion.taken(name, place=value)
            case "dockerfile" | "target":
                options[key] = conversion.text(value)
                conversion.taken(name, place=value)
            case "dockerfile_inline":
                file = f"Dockerfile.{conversion.name}"
                path = posixpath.normpath(posixpath.join(context, file))
                written = text(value)
                conversion.draft.files[path] = conversion.resolve(written)
                options["dockerfile"] = file
                fixed = (
                    ", with the values that its variables have now"
                    if conversion.convert(written) != written
                    else ""
                )
                conversion.changed(name, f"the file {path}{fixed}", value)
            case "args":
                options[key] = conversion.environment("build.args", value)
                conversion.taken(name, place=value)
            case "secrets":
                _secrets(conversion, options, value)
            case "platforms":
                platforms = [conversion.text(item) for item in items(value)]
                if len(platforms) == 1:
                    options["platform"] = platforms[0]
                    conversion.changed(name, "build.platform", value)
                else:
                    conversion.add(name, *_several_platforms(conversion, platforms), value)
            case _:
                conversion.add_hint(name, foreign_hint(key, "build") or UNKNOWN_TO_COMPOSE, value)
    if options.get("dockerfile") == "Dockerfile":
        del options["dockerfile"]
    return options


def _several_platforms(conversion: ComposeConversion, platforms: list[str]) -> tuple[Verdict, str]:
    """Verdict on the platforms of an image: they are for those who pull it from a registry."""
    image = conversion.node.get("image")
    alone = "the image goes to the server over SSH, and is built for its platform alone"
    if image is None or not platforms:
        return Verdict.LEFT_OUT, alone
    keys = f"`image: {conversion.text(image)}` and `build.platforms: [{', '.join(platforms)}]`"
    return (
        Verdict.LEFT_OUT,
        f"{alone}; where others pull it, write {keys}: FTL then pushes it for all of them",
    )


def _secrets(conversion: ComposeConversion, options: dict[str, object], node: Node) -> None:
    """Build secrets by the file or variable that the top of the file names for them."""
    context = conversion.context
    usable: list[object] = []
    for item in items(node):
        name = text(item) or text(entries(item).get("source"))
        source = entries(context.secrets.get(name))
        file, variable = conversion.resolve(text(source.get("file"))), text(source.get("environment"))
        identity = text(entries(item).get("target")) or name
        if file and (context.base / file).is_file():
            usable.append({"id": identity, "file": file})
            continue
        if variable and variable in context.texts.variables:
            usable.append({"id": identity, "env": variable})
            continue
        missing = "name its file"
        if variable:
            missing = f"set the variable {variable}"
        elif file:
            missing = f"there is no file {file}"
        conversion.todo("build.secrets", f"{missing}, and write `secrets: [{identity}]` below `build`", item)
    if usable:
        options["secrets"] = usable
        conversion.taken("build.secrets", place=node)


def platform(conversion: ComposeConversion, key: str, node: Node) -> None:
    """The platform, which belongs to the build."""
    built = conversion.keys.get("build")
    if built is None:
        conversion.left_out(key, "the image for the server's platform is pulled")
        return
    options = built if isinstance(built, dict) else {"context": built}
    conversion.keys["build"] = {**options, "platform": conversion.text(node)}
    conversion.changed(key, "build.platform")
