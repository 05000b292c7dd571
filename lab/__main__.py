"""`python -m lab VERB`, see README.md. Imports late: some verbs run before FTL is installed."""

from __future__ import annotations

import argparse
import json
import sys

from lab.place import LabError, run_id, say


def main() -> int:
    given = _parser().parse_args()
    try:
        given.verb(given)
    except LabError as error:
        say(str(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="Real engines and servers on this machine."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("prepare", help="install what is missing on this machine")
    verb.set_defaults(verb=_prepare)

    verb = verbs.add_parser("engine", help="a Docker engine on this machine")
    verb.add_argument("what", choices=("up", "down"))
    verb.set_defaults(verb=_engine)

    verb = verbs.add_parser("images", help="the images that tests and the demo start from")
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.set_defaults(verb=_images)

    verb = verbs.add_parser("server", help="a server by hand")
    verb.add_argument("what", choices=("up", "down"))
    verb.add_argument("name")
    verb.add_argument("--suite", default="bookworm")
    verb.add_argument("--store", choices=("overlay2", "containerd"), default="overlay2")
    verb.add_argument("--bare", action="store_true", help="without Docker")
    verb.add_argument("--disk", type=int, metavar="MB", help="the size of /var/lib/docker")
    verb.add_argument("--run")
    verb.set_defaults(verb=_server)

    verb = verbs.add_parser("relay", help="a TCP relay that delays")
    verb.add_argument("--to", required=True, metavar="HOST:PORT")
    verb.add_argument("--listen", type=int, default=0, metavar="PORT")
    verb.add_argument("--delay", type=float, default=0.0, metavar="MS", help="each way")
    verb.add_argument("--rate", type=float, metavar="BYTES", help="a second, each way")
    verb.set_defaults(verb=_relay)

    verb = verbs.add_parser("clean", help="remove what the lab left in the engine")
    verb.add_argument("--run", help="of this run alone")
    verb.add_argument("--images", action="store_true", help="also the images that the lab built")
    verb.set_defaults(verb=_clean)
    return parser


def _prepare(_: argparse.Namespace) -> None:
    from lab import engine, prepare

    prepare.everything(with_engine=engine.version() is None)


def _engine(given: argparse.Namespace) -> None:
    from lab import engine

    {"up": engine.up, "down": engine.down}[given.what]()


def _images(given: argparse.Namespace) -> None:
    from lab import images

    images.ensure(*given.names)


def _server(given: argparse.Namespace) -> None:
    from lab.servers import Lab

    lab = Lab(run_id(given.run))
    if given.what == "down":
        lab.remove(given.name)
        return
    disk = given.disk * 1024 * 1024 if given.disk else None
    server = lab.server(given.name, suite=given.suite, store=given.store, bare=given.bare, disk=disk)
    print(json.dumps(server.fields()))


def _relay(given: argparse.Namespace) -> None:
    from lab import relay

    relay.serve(given.to, listen=given.listen, delay=given.delay / 1000, rate=given.rate)


def _clean(given: argparse.Namespace) -> None:
    from lab import clean

    clean.run(run_id(given.run) if given.run else None, images=given.images)


if __name__ == "__main__":
    sys.exit(main())
