"""Loading of the HTTP stack."""

from __future__ import annotations

import subprocess
import sys


def test_the_http_stack_is_loaded_without_tls_contexts() -> None:
    """They took as long as all the rest; TLS itself is there afterwards, for those who need it."""
    program = """
import ssl
made = []
create = ssl.create_default_context
ssl.create_default_context = lambda: made.append(1) or create()
from ftl.engine.loading import load_aiohttp
load_aiohttp()
assert not made
import ssl as again
import aiodocker
assert again is ssl and ssl.create_default_context()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
