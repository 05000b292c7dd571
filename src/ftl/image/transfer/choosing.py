"""Which source of layers to take: what must be sent decides, by what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.image.transfer.files import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine import Engine
    from ftl.image.transfer.save import Wanted
    from ftl.image.transfer.source import Source


async def choose(
    engine: Engine, wanted: Sequence[Wanted], needed: frozenset[str], *, measure: bool, saving: Source
) -> list[Source]:
    """The sources that can serve, in the order to try them.

    Args:
        engine: The engine here.
        wanted: The images.
        needed: The diffIDs of the layers to hand out.
        measure: The sizes of the other layers are needed too.
        saving: The source that always serves.
    """
    files = await readable(engine, wanted)
    return [saving] if files is None else [files, saving]
