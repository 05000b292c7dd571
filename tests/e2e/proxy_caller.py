"""Clients inside a project's network: they call a name, keep their connections and never retry.

Arguments: host, port, seconds, clients. They end earlier once the file /stop is there. Prints one JSON object.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path

from load import Load, Request, Target

host, port, seconds, clients = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
versions: Counter[str] = Counter()
requests = [Request("GET", "/"), Request("POST", "/", b"a body")]
with Load(
    Target(host, port, host),
    requests,
    clients=clients,
    timeout=15,
    saw=lambda _, body: versions.update([json.loads(body)["version"]]),
) as load:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not Path("/stop").exists():
        time.sleep(min(0.2, seconds))
tally = load.tally
print(
    json.dumps(
        {
            "requests": tally.requests,
            "failed": tally.failed,
            "reasons": dict(tally.reasons),
            "connections": tally.connections,
            "longest": tally.longest,
            "versions": dict(versions),
        }
    )
)
