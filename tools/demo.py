"""`make demo`: deploy examples/shop to a throwaway server, then a second version under load.

    python -m tools.demo up      prints a table, the URL and, as its last line, one JSON object
    python -m tools.demo down    removes what `up` made

The app is copied to .lab/demo/shop, so that its second version is a change of its source like any other.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab.load import Load, Request, Tally, Target
from rich.console import Console
from rich.table import Table
from tools.calls import FTL, ROOT, DemoError, docker, ftl, lab, say

from ftl.common.figures import size

APP = ROOT / "examples" / "shop"
WORK = ROOT / ".lab" / "demo"
COPY = WORK / "shop"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# Two checkouts do not share a server; and what FTL remembers of this one goes with it.
SANDBOX = "demo-" + hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:6]
OURS = {
    "FTL_SANDBOX": SANDBOX,
    "XDG_STATE_HOME": str(WORK / "state"),
    "XDG_CACHE_HOME": str(WORK / "cache"),
}
ENV = {**os.environ, **OURS}

DOMAIN = "localhost"
FIRST, SECOND = "1.0.0", "1.1.0"

CLIENTS = 16
AROUND = 2.0
"""Seconds of load before the second deploy, and after it."""
LIMIT = 240.0
"""Seconds after which the clients stop by themselves."""

REQUESTS = (
    Request("GET", "/"),
    Request("GET", "/products/lamp"),
    Request(
        "POST",
        "/orders",
        body=b'{"sku": "teapot", "quantity": 1}',
        headers={"Content-Type": "application/json"},
        expect=201,
    ),
    Request("GET", "/version"),
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """Figures of a deploy; `seconds` is wall-clock time from calling `ftl` to its end."""

    release: str
    seconds: float
    bytes_sent: int
    changed: tuple[str, ...]


def up() -> None:
    """Run the demo from start to end.

    Raises:
        DemoError: A command or a request failed, or the second version never answered.
    """
    lab("engine", "up")
    lab("images", "caddy", "postgres", "python")
    say(f"Starting a server: ftl sandbox up --name {SANDBOX}")
    sandbox = ftl("sandbox", "up", env=ENV)
    copy_shop()

    say(f"\nVersion {FIRST}: ftl deploy --server sandbox")
    first = deploy()
    set_version(SECOND)
    say(f"\nVersion {SECOND}, while {CLIENTS} clients browse and order teapots: ftl deploy --server sandbox")
    answered: set[str] = set()
    target = Target("127.0.0.1", int(str(sandbox["http_port"])), DOMAIN)

    def note_version(request: Request, body: bytes) -> None:
        if request.method == "POST":
            answered.add(json.loads(body)["version"])

    with Load(target, REQUESTS, clients=CLIENTS, limit=LIMIT, saw=note_version) as load:
        time.sleep(AROUND)
        second = deploy()
        time.sleep(AROUND)

    show({FIRST: first, SECOND: second}, load.tally)
    say(f"\nThe shop is at http://{DOMAIN}:{target.port}/ until `make demo-down` takes everything away.")
    say(f"To look around: . {write_profile().relative_to(ROOT)}; ftl status --server sandbox\n")
    say(json.dumps(summary(first, second, load.tally)))
    if load.tally.failed:
        raise DemoError("; ".join(f"{count} x {why}" for why, count in load.tally.reasons.most_common(5)))
    if not {FIRST, SECOND} <= answered:
        raise DemoError(f"both versions should have taken orders, but only {sorted(answered)} did")


def down() -> None:
    """Take away the sandbox, the images, the engine if the lab started it, and .lab."""
    if shutil.which("docker") and (ROOT / ".lab").exists():
        lab("engine", "up")  # it may have been stopped meanwhile, with everything still in it
        ftl("sandbox", "down", env={**ENV, "FTL_SANDBOX": f"{SANDBOX}-cluster"})
        ftl("sandbox", "down", "--images", env=ENV)
        remove_built("shop")
        remove_built("shop-cluster")
        lab("clean", "--run", "demo", "--images")
        lab("engine", "down")
    shutil.rmtree(ROOT / ".lab", ignore_errors=True)
    say(
        "Gone: the server and all that was on it, the images, .lab. What stays: .venv, and Debian's packages."
    )


def remove_built(project: str) -> None:
    """Remove the images that were built for a project here."""
    built = docker("images", "--quiet", "--filter", f"label=ftl.project={project}").split()
    if built:
        docker("rmi", "--force", *sorted(set(built)))


def copy_shop() -> None:
    """Copy the app; only .env is kept, since the database was created with its password."""
    env = COPY / ".env"
    settings = env.read_text() if env.exists() else new_settings()
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(APP, COPY, ignore=shutil.ignore_patterns(".env", "__pycache__"))
    env.touch(mode=0o600)
    env.write_text(settings)


def new_settings() -> str:
    """The demo's .env, with new passwords."""
    values = {
        "DOMAIN": DOMAIN,
        "EMAIL": "demo@example.com",
        "TLS": "off",
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "ADMIN_TOKEN": secrets.token_hex(16),
        "PYTHON_IMAGE": "python-base",
    }
    if CA_BUNDLE.exists():
        values["CA_BUNDLE"] = str(CA_BUNDLE)
    return "".join(f"{name}={value}\n" for name, value in values.items())


def write_profile() -> Path:
    """Write a shell profile for using FTL on the demo's server, from the app's folder."""
    profile = WORK / "profile"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in OURS.items()]
    lines += [f"PATH={shlex.quote(str(FTL.parent))}:$PATH", f"cd {shlex.quote(str(COPY))}"]
    profile.write_text("\n".join(lines) + "\n")
    return profile


def set_version(version: str) -> None:
    """Change the version in the copy's source."""
    module = COPY / "web" / "shop" / "__init__.py"
    module.write_text(module.read_text().replace(f'VERSION = "{FIRST}"', f'VERSION = "{version}"'))


def deploy() -> Deployed:
    """Deploy the copy to the sandbox; bytes are those that `ftl deploy` reports."""
    began = time.monotonic()
    result = ftl("deploy", "--server", "sandbox", cwd=COPY, env=ENV)
    seconds = time.monotonic() - began
    services = result["services"]
    assert isinstance(services, dict)
    return Deployed(
        release=str(result["release"]),
        seconds=seconds,
        bytes_sent=sum(service["bytes_sent"] for service in services.values()),
        changed=tuple(name for name, service in services.items() if service["action"] != "unchanged"),
    )


def show(deployed: dict[str, Deployed], tally: Tally) -> None:
    """Print a table of both deploys."""
    table = Table("version", "release", "seconds", "sent", "services replaced", "requests", "failed")
    for version, one in deployed.items():
        under_load = (f"{tally.requests:,}", str(tally.failed)) if version == SECOND else ("", "")
        replaced = ", ".join(one.changed) or "none"
        table.add_row(version, one.release, f"{one.seconds:.1f}", size(one.bytes_sent), replaced, *under_load)
    say("")
    Console(width=100).print(table)


def summary(first: Deployed, second: Deployed, tally: Tally) -> dict[str, object]:
    """The object that the demo prints as its last line."""
    return {
        "type": "demo",
        "requests": tally.requests,
        "failed": tally.failed,
        "first": {"seconds": round(first.seconds, 2), "bytes_sent": first.bytes_sent},
        "second": {"seconds": round(second.seconds, 2), "bytes_sent": second.bytes_sent},
    }


def main() -> None:
    """Run `up` or `down`; a failure is a sentence and exit status 1."""
    verbs = {"up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    try:
        verbs[sys.argv[1]]()
    except DemoError as failure:
        sys.exit(f"demo: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
