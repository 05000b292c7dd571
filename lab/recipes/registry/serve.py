"""A registry for tests: `serve.py HOST none|basic|token [--plain]`.

Makes an authority and a certificate for HOST in /srv, then becomes Debian's docker-registry on port 443 (80 with
`--plain`). `basic` takes the users of $USERS (`name:password,...`) from an htpasswd file; `token` sends clients to
the token server beside it, on port 5001.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path("/srv")
TOKEN_PORT = 5001


def authority(host: str) -> None:
    """ca.crt, and tls.crt and tls.key for the host, signed by it."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650")
    openssl(
        "req", "-x509", *curve, "-subj", "/CN=lab registry authority", "-keyout", "ca.key", "-out", "ca.crt"
    )
    openssl("req", *curve[:-2], "-subj", f"/CN={host}", "-keyout", "tls.key", "-out", "tls.csr")
    (HERE / "names").write_text(f"subjectAltName=DNS:{host}\n")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650", "-extfile", "names")
    openssl("x509", "-req", "-in", "tls.csr", *signed, "-out", "tls.crt")


def openssl(*argv: str) -> None:
    """Run openssl in /srv."""
    subprocess.run(("openssl", *argv), cwd=HERE, check=True, capture_output=True)


def passwords() -> None:
    """The users as docker-registry reads them: bcrypt."""
    for number, pair in enumerate(os.environ["USERS"].split(",")):
        name, _, password = pair.partition(":")
        create = ("-c",) if number == 0 else ()
        file = str(HERE / "htpasswd")
        subprocess.run(
            ("htpasswd", "-i", "-B", "-C", "5", *create, file, name), input=password.encode(), check=True
        )


def configuration(host: str, mode: str, *, plain: bool) -> dict[str, object]:
    """docker-registry's config.yml."""
    tls = {"certificate": str(HERE / "tls.crt"), "key": str(HERE / "tls.key")}
    http = {"addr": ":80"} if plain else {"addr": ":443", "tls": tls}
    found: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(HERE / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if mode == "basic":
        found["auth"] = {"htpasswd": {"realm": "lab", "path": str(HERE / "htpasswd")}}
    elif mode == "token":
        realm = f"https://{host}:{TOKEN_PORT}/token"
        token = {"realm": realm, "service": host, "issuer": "lab", "rootcertbundle": str(HERE / "token.crt")}
        found["auth"] = {"token": token}
    return found


def main(host: str, mode: str, *options: str) -> None:
    """Prepare, and become the registry."""
    authority(host)
    if mode == "basic":
        passwords()
    if mode == "token":
        key = ("-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=lab tokens")
        openssl("req", "-x509", *key, "-keyout", "token.key", "-out", "token.crt")
        subprocess.Popen((sys.executable, "/lab/tokens.py", host, str(TOKEN_PORT)))
    config = HERE / "config.yml"
    config.write_text(json.dumps(configuration(host, mode, plain="--plain" in options)))
    os.execvp("docker-registry", ("docker-registry", "serve", str(config)))


main(*sys.argv[1:])
