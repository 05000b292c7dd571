"""Dependencies that are written as single values: presets (`postgres:16`), other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.references import split
from ftl.common.suggestions import closest_match
from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.problems import quoted
from ftl.config.values.scalars import InvalidValue, image
from ftl.config.variables.interpolation import InterpolationError, interpolate
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode, literal, mapping_of
from ftl.databases import PRESETS, Database, preset_environment
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from ftl.config.read.reader import Reader
    from ftl.config.yaml.locations import Location


@dataclass(frozen=True, slots=True)
class ShortDependency:
    """A dependency that is written as a single value.

    Attributes:
        name: The preset's, or the last part of the image's repository.
        preset: None for any other image.
        tag: Tag of the image; empty without one.
    """

    name: str
    image: str
    preset: Database | None
    tag: str
    location: Location

    @property
    def given(self) -> MappingNode:
        """Name and image, which are all that it says."""
        name, image_name = (literal(text, self.location) for text in (self.name, self.image))
        return mapping_of({"name": name, "image": image_name}, self.location)

    def defaults(self, variables: Container[str], tag: str) -> MappingNode:
        """Settings of the preset for a tag of its image; of the variables, only names matter."""
        preset, location = self.preset, self.location
        if preset is None:
            return MappingNode({}, location)
        env = preset_environment(preset, tag, variables)
        values: dict[str, Node | None] = {
            "env": mapping_of({name: ScalarNode(text, location) for name, text in env.items()}, location),
            "ports": SequenceNode(tuple(literal(str(port), location) for port in preset.ports), location),
        }
        if preset.volume is not None:
            values["volumes"] = SequenceNode((literal(preset.volume, location),), location)
        if preset.nofile is not None:
            limits = mapping_of({"nofile": literal(str(preset.nofile), location)}, location)
            values["container"] = mapping_of({"ulimits": limits}, location)
        return mapping_of(values, location)

    def tag_of(self, node: Node | None, variables: Mapping[str, str]) -> str:
        """The tag of another image in its place, where that is one of the preset; else its own."""
        try:
            text = interpolate(node.text, variables.get).text if isinstance(node, ScalarNode) else ""
        except InterpolationError:
            return self.tag
        repository, tag = split(text)
        return tag if self.preset is not None and repository == self.preset.image else self.tag


def dependency(reader: Reader, node: ScalarNode) -> MappingNode:
    """Read a dependency that is written as a single value."""
    text = reader.interpolator.read(node, "dependencies")
    reference, location = text.text, text.location
    _check_image(reader, node, location, reference if "/" in reference else reference.lower())
    repository, tag = split(reference)
    if (match := _misspelt_preset(repository)) is not None:
        hint = f"did you mean `{match}`? If it is another image, write `name` and `image`"
        reader.report(location, f"dependencies: `{repository}` is not known", hint)
        raise AlreadyReported
    short = _short(reference, location)
    if short.preset is None:
        _check_image(reader, node, location, reference)
    defaults = short.defaults(reader.interpolator.variables, tag)
    return short.given.replace({name: entry.value for name, entry in defaults.entries.items()})


def known_dependency(node: Node, variables: Mapping[str, str]) -> ShortDependency | None:
    """A dependency that is written as a single value; None for others, and invalid ones."""
    if not isinstance(node, ScalarNode):
        return None
    try:
        reference = interpolate(node.text, variables.get).text
        short = _short(reference, node.location)
        image(reference if short.preset is None else reference.lower())
    except (InterpolationError, InvalidValue):
        return None
    return None if _misspelt_preset(split(reference)[0]) else short


def _short(reference: str, location: Location) -> ShortDependency:
    repository, tag = split(reference)
    preset = PRESETS.get(repository.lower())
    if preset is None:
        return ShortDependency(repository.rpartition("/")[2], reference, None, tag, location)
    image_name = f"{preset.image}{reference[len(repository) :] or ':latest'}"
    return ShortDependency(preset.name, image_name, preset, tag, location)


def _misspelt_preset(repository: str) -> str | None:
    """The preset that is meant by a repository, if it is none."""
    return None if repository.lower() in PRESETS else closest_match(repository, tuple(PRESETS), 0.85)


def _check_image(reader: Reader, node: ScalarNode, location: Location, reference: str) -> None:
    """Report an invalid image here: later, the literal made of it hides that it came from a variable."""
    try:
        image(reference)
    except InvalidValue as error:
        reader.report(location, f"dependencies: {quoted(node.text)} {error.message}", error.hint)
        raise AlreadyReported from None
