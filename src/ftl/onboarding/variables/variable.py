"""One environment variable that the code reads."""

from __future__ import annotations

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CodeVariable:
    """A variable that the code reads.

    Attributes:
        file: The first file that reads it.
        demanded_by: The first file that ends without it; empty if none does.
        other_names: Names that say what it is for, too: a field of a settings class, without the prefix of the class.
    """

    name: str
    file: str
    demanded_by: str = ""
    other_names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names that show its purpose."""
        return (self.name, *self.other_names)
