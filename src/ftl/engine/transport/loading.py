"""Loading of aiohttp without TLS, which engines are never spoken to with."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock

_TLS = "ssl"

_LOADING = Lock()
"""Sessions with several servers begin side by side, in threads: a second one must not find Python without TLS."""


def load_aiohttp() -> None:
    """Import aiodocker and aiohttp, in half of the time that it takes by itself.

    aiohttp (3.14) makes two TLS contexts when it is imported, for which OpenSSL 3 loads its algorithms and the system's
    certificates: 75 of 170 ms. Where Python has no TLS it does without. Afterwards Python has TLS again.
    """
    with _LOADING:
        if "aiohttp" not in sys.modules:
            tls = sys.modules.get(_TLS)
            sys.modules[_TLS] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
            try:
                import_module("aiohttp")
            finally:
                if tls is None:
                    del sys.modules[_TLS]
                else:
                    sys.modules[_TLS] = tls
        import_module("aiodocker")
