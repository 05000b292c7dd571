"""Loading of aiohttp without TLS, which engines are never spoken to with."""

from __future__ import annotations

import sys
from importlib import import_module

_TLS = "ssl"


def load_aiohttp() -> None:
    """Import aiodocker and aiohttp, in half of the time that it takes by itself.

    aiohttp (3.14) makes two TLS contexts when it is imported, for which OpenSSL 3 loads its algorithms and the system's
    certificates: 75 of 170 ms. Where Python has no TLS it does without. Afterwards Python has TLS again.
    """
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
