"""Text for the transfer of an image: its progress, its layers, its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import count, duration, part, size
from ftl.events import TransferProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.events import LayerFinished, TransferFinished

_MEANINGFUL = 1_000_000
"""Least number of bytes whose speed is that of the link."""


def progress(event: TransferProgress) -> list[str]:
    """Bytes, speed, time left and current layer, the most important first."""
    parts = [part(event.bytes_done, event.bytes_total)] if event.bytes_total else []
    all_read = event.bytes_done >= event.bytes_total
    if all_read and event.layers_done >= event.layers_total:
        return [*parts, "unpacking on the server"]
    if event.speed > 0 and not all_read:
        parts.append(f"{size(int(event.speed))}/s")
    if event.seconds_left is not None and not all_read:
        parts.append(f"{duration(event.seconds_left)} left")
    if event.layers_total:
        parts.append(f"layer {min(event.layers_done + 1, event.layers_total)}/{event.layers_total}")
    if event.bytes_sent:
        as_delta = " as a delta" if event.way == "delta" else ""
        parts.append(f"{size(event.bytes_sent)} sent{as_delta}")
    return parts


def total(events: Sequence[TransferProgress]) -> TransferProgress:
    """Progress of several images of one transfer; they are sent one after the other."""
    bytes_done = sum(event.bytes_done for event in events)
    bytes_total = sum(event.bytes_total for event in events)
    current = [event for event in events if event.layer is not None]
    speed = max((event.speed for event in current), default=0.0)
    is_measured = any(event.seconds_left is not None for event in current)
    return TransferProgress(
        image="total",
        bytes_done=bytes_done,
        bytes_total=bytes_total,
        bytes_sent=sum(event.bytes_sent for event in events),
        layers_done=sum(event.layers_done for event in events),
        layers_total=sum(event.layers_total for event in events),
        speed=speed,
        seconds_left=(bytes_total - bytes_done) / speed if speed > 0 and is_measured else None,
    )


def layer_result(event: LayerFinished) -> str:
    """Result of a layer."""
    name = event.layer.removeprefix("sha256:")[:12]
    match event.way:
        case "kept":
            return f"layer {name}, {size(event.size)}: kept on the server by an earlier transfer"
        case _ if event.bytes_sent is None:
            return f"layer {name}, {size(event.size)} sent"
        case "delta":
            saved = (event.instead_of or 0) > event.bytes_sent
            instead = f" instead of {size(event.instead_of)}" if event.instead_of and saved else ""
            return f"layer {name}, {size(event.size)}: {size(event.bytes_sent)} sent{instead}, as a delta"
        case _:
            return f"layer {name}, {size(event.size)}: {size(event.bytes_sent)} sent"


def summary(event: TransferFinished) -> str:
    """Layers and bytes sent, bytes saved by deltas, and layers the server already had."""
    where = f", to {event.server}" if event.server else ""
    if event.bytes_fanned_out:
        return f"{size(event.bytes_fanned_out)} from another server, {duration(event.seconds)}{where}"
    return _summary(event) + where


def _summary(event: TransferFinished) -> str:
    layers, in_images = event.layers_sent + event.layers_reused, event.layers_reused - event.layers_kept
    if in_images == layers:
        return f"nothing to send, the server has all {count(layers, 'layer')}"
    parts = [_moved(event, layers)] if event.layers_sent else [f"none of {count(layers, 'layer')} sent"]
    if in_images:
        parts.append(f"{in_images} already on the server")
    if event.layers_kept:
        parts.append(f"{event.layers_kept} kept by an earlier transfer")
    in_total = " in total" if _on_the_wire(event) is not None else ""
    parts.append(duration(event.seconds) + in_total)
    return ", ".join(parts)


def _moved(event: TransferFinished, layers: int) -> str:
    moved = f"{event.layers_sent} of {count(layers, 'layer')} sent: {size(event.bytes_sent)}"
    if event.bytes_saved:
        moved += f" instead of {size(event.bytes_sent + event.bytes_saved)}"
    if event.layers_delta:
        kind = "a delta" if event.layers_delta == 1 else "deltas"
        moved += f" ({event.layers_delta} as {kind})"
    wire = _on_the_wire(event)
    if wire is not None:
        moved += f" in {duration(wire)} ({size(int(event.link_speed))}/s)"
    return moved


def _on_the_wire(event: TransferFinished) -> float | None:
    """Seconds of the link alone, without requests, unpacking and tagging.

    None where they mean nothing: for deltas, whose computation takes the time, and for a few bytes.
    """
    meaningful = event.bytes_sent >= _MEANINGFUL and event.link_speed > 0 and not event.layers_delta
    return event.bytes_sent / event.link_speed if meaningful else None
