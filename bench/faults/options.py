"""Options of the fault bench."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lab.servers import Store
from tests.faults.commands import NAMED

from bench.faults.cluster_commands import CLUSTER_NAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.faults.kinds import Kind

DEFAULTS: Mapping[Kind, int] = {
    "kill": 300,
    "cut": 60,
    "slow_link": 10,
    "rival": 15,
    "full_disk": 20,
    "engine_restart": 20,
    "proxy_kill": 10,
    "reboot": 10,
}

SUITES = ("bookworm", "trixie", "sid")


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be tried.

    Attributes:
        numbers: Trials of each kind, of all worlds together.
        commands: Names of the commands.
        engines: Suite and store of each world's servers.
        seed: Of the order and the moments; None: the number of the trials that `append` has of this commit.
        append: File to which each trial is added as a line.
        clusters: Trials on three servers, in turn of each kind.
        cluster_commands: Names of the commands there.
        fuzz: Seconds for the fuzzing of parsers; 0: none.
    """

    numbers: Mapping[Kind, int]
    commands: Sequence[str]
    engines: Sequence[tuple[str, Store]]
    seed: int | None
    append: Path | None
    clusters: int
    cluster_commands: Sequence[str]
    fuzz: float


def parse(description: str | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind, number in DEFAULTS.items():
        parser.add_argument(f"--{kind.replace('_', '-')}s", dest=kind, type=int, default=number)
    parser.add_argument(
        "--clusters",
        type=int,
        default=len(CLUSTER_NAMED),
        help="trials on three servers, in turn of each kind",
    )
    there = _several([*CLUSTER_NAMED])
    parser.add_argument(
        "--cluster-commands", type=there, default=[*CLUSTER_NAMED], help="of these; default: all"
    )
    commands = _several([*NAMED])
    parser.add_argument("--commands", type=commands, default=[*NAMED], help="with commas; default: all")
    parser.add_argument("--worlds", type=int, default=1, help="servers at a time, which share the trials")
    in_turn = "several, with commas, are taken by the worlds in turn"
    parser.add_argument("--suite", type=_several(SUITES), default=["bookworm"], help=in_turn)
    parser.add_argument("--store", type=_several(get_args(Store)), default=["overlay2"], help=in_turn)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--append", type=Path, help="a file outside of the checkout")
    parser.add_argument("--fuzz", type=float, default=60.0, help="seconds for the fuzzing of parsers")
    given = parser.parse_args()
    return Options(
        numbers={kind: getattr(given, kind) for kind in DEFAULTS},
        commands=given.commands,
        engines=[
            (given.suite[world % len(given.suite)], given.store[world % len(given.store)])
            for world in range(given.worlds)
        ],
        seed=given.seed,
        append=given.append,
        clusters=given.clusters,
        cluster_commands=given.cluster_commands,
        fuzz=given.fuzz,
    )


def _several(choices: Sequence[str]) -> Callable[[str], list[str]]:
    """A reader of some of the choices, with commas."""

    def read(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(choices):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: none of {', '.join(choices)}")
        return chosen

    return read
