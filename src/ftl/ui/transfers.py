"""How an image on its way to a server reads: how far it is, what became of a layer, and what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.events import TransferProgress
from ftl.figures import count, duration, part, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.events import LayerFinished, TransferFinished

_TELLING = 1_000_000
"""Bytes from which on a speed says something about the link."""


def figures(event: TransferProgress) -> list[str]:
    """Bytes, speed, time left and the layer at hand: what matters most comes first."""
    parts = [part(event.bytes_done, event.bytes_total)] if event.bytes_total else []
    all_read = event.bytes_done >= event.bytes_total
    if all_read and event.layers_done >= event.layers_total:
        return [*parts, "unpacking there"]
    if event.speed > 0 and not all_read:
        parts.append(f"{size(int(event.speed))}/s")
    if event.seconds_left is not None and not all_read:
        parts.append(f"{duration(event.seconds_left)} left")
    if event.layers_total:
        parts.append(f"layer {min(event.layers_done + 1, event.layers_total)}/{event.layers_total}")
    if event.bytes_sent:
        as_difference = " as a difference" if event.way == "delta" else ""
        parts.append(f"{size(event.bytes_sent)} sent{as_difference}")
    return parts


def together(events: Sequence[TransferProgress]) -> TransferProgress:
    """Several images of one transfer as if they were one: they go one after the other."""
    done, total = sum(one.bytes_done for one in events), sum(one.bytes_total for one in events)
    speed = max((one.speed for one in events if one.layer is not None), default=0.0)
    return TransferProgress(
        image="in all",
        bytes_done=done,
        bytes_total=total,
        bytes_sent=sum(one.bytes_sent for one in events),
        layers_done=sum(one.layers_done for one in events),
        layers_total=sum(one.layers_total for one in events),
        speed=speed,
        seconds_left=(total - done) / speed if speed > 0 else None,
    )


def layer(event: LayerFinished) -> str:
    """What became of a layer."""
    name = event.layer.removeprefix("sha256:")[:12]
    match event.way:
        case "kept":
            return f"layer {name}, {size(event.size)}: kept there from an earlier transfer"
        case _ if event.bytes_sent is None:
            return f"layer {name}, {size(event.size)} sent"
        case "delta":
            saved = (event.instead_of or 0) > event.bytes_sent
            instead = f" instead of {size(event.instead_of)}" if event.instead_of and saved else ""
            return (
                f"layer {name}, {size(event.size)}: {size(event.bytes_sent)} sent{instead}, as a difference"
            )
        case _:
            return f"layer {name}, {size(event.size)}: {size(event.bytes_sent)} sent"


def summary(event: TransferFinished) -> str:
    """What went over, what a difference saved, and what was there already."""
    layers, in_images = event.layers_sent + event.layers_reused, event.layers_reused - event.layers_kept
    if in_images == layers:
        return f"nothing to send, all {count(layers, 'layer')} are there"
    parts = [_moved(event, layers)] if event.layers_sent else [f"none of {count(layers, 'layer')} sent"]
    if in_images:
        parts.append(f"{in_images} there already")
    if event.layers_kept:
        parts.append(f"{event.layers_kept} kept from an earlier transfer")
    in_all = " in all" if _on_the_wire(event) is not None else ""
    parts.append(duration(event.seconds) + in_all)
    return ", ".join(parts)


def _moved(event: TransferFinished, layers: int) -> str:
    moved = f"{event.layers_sent} of {count(layers, 'layer')} sent: {size(event.bytes_sent)}"
    if event.bytes_saved:
        moved += f" instead of {size(event.bytes_sent + event.bytes_saved)}"
    if event.layers_delta:
        kind = "a difference" if event.layers_delta == 1 else "differences"
        moved += f" ({event.layers_delta} as {kind})"
    wire = _on_the_wire(event)
    if wire is not None:
        moved += f" in {duration(wire)} ({size(int(event.link_speed))}/s)"
    return moved


def _on_the_wire(event: TransferFinished) -> float | None:
    """The seconds that the link needed, without asking, unpacking and tagging.

    None where they tell nothing: of differences, whose making and applying takes the time, and of a few bytes.
    """
    telling = event.bytes_sent >= _TELLING and event.link_speed > 0 and not event.layers_delta
    return event.bytes_sent / event.link_speed if telling else None
