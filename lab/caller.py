"""Clients inside a project's network: keep-alive connections to a name, without retries.

Run inside a container that has this file and `lab/load.py`: `python3 -m lab.caller HOST PORT SECONDS CLIENTS [PAUSE]`.
They end earlier at SIGTERM, or once the file /stop is there. Prints one JSON object.
"""

import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from lab.load import Load, Request, Target

host, port, seconds, clients = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
pause = float(sys.argv[5]) if len(sys.argv) > 5 else 0.01
over = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: over.set())
versions: Counter[str] = Counter()
requests = [Request("GET", "/"), Request("POST", "/", b"a body")]
with Load(
    Target(host, port, host),
    requests,
    clients=clients,
    pause=pause,
    limit=seconds,
    timeout=15,
    saw=lambda _, body: versions.update([json.loads(body)["version"]]),
) as load:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not over.wait(min(0.2, seconds)) and not Path("/stop").exists():
        pass
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
    ),
    flush=True,
)
