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
from ftl.engine.transport.library import load_aiohttp
load_aiohttp()
assert not made
import ssl as again
import aiodocker
assert again is ssl and ssl.create_default_context()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_several_sessions_load_it_side_by_side() -> None:
    """A thread that loads it while another does sees a Python with TLS, and a complete module."""
    program = """
from concurrent.futures import ThreadPoolExecutor
from ftl.engine.transport.library import load_aiohttp
def load(_):
    load_aiohttp()
    import ssl
    import aiodocker
    return aiodocker.Docker
with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(load, range(8)))) == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True)
