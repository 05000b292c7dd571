"""Certificates for tests."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


def self_signed(host: str, *others: str) -> tuple[bytes, bytes]:
    """A certificate for hosts that nobody vouches for, and its key, PEM."""
    names = ",".join(f"DNS:{name}" for name in (host, *others))
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "crt"), Path(folder, "key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName={names}",
             "-keyout", str(key), "-out", str(chain)],
            check=True, capture_output=True,
        )  # fmt: skip
        return chain.read_bytes(), key.read_bytes()
