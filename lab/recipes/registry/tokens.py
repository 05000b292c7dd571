"""Token server of a registry: `tokens.py SERVICE PORT`, with the files from serve.py.

Speaks what docker/distribution describes in "Token Authentication Specification" and "OAuth2": GET with a user's
name and password, POST with a refresh token (docker's "identity token"). $USERS are `name:password,...`; the refresh
token of a user is `refresh-NAME`, and is refused once the file /srv/expired exists. Who asks without credentials gets
a token that allows nothing.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HERE = Path("/srv")
SERVICE, PORT = sys.argv[1], int(sys.argv[2])
USERS = dict(pair.split(":", 1) for pair in os.environ["USERS"].split(","))
LIFE_SECONDS = 300


def encoded(data: bytes) -> str:
    """base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(user: str, scopes: list[str]) -> str:
    """A JSON Web Token for a user, as docker-registry 2.8 verifies it: RS256, the certificate in `x5c`."""
    certificate = "".join((HERE / "token.crt").read_text().split("-----")[2].split())
    now = int(time.time())
    access = [granted(scope) for scope in scopes] if user else []
    header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
    claims = {
        "iss": "lab",
        "sub": user,
        "aud": SERVICE,
        "iat": now,
        "nbf": now - 10,
        "exp": now + LIFE_SECONDS,
        "jti": secrets.token_hex(8),
        "access": access,
    }
    body = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    argv = ("openssl", "dgst", "-sha256", "-sign", str(HERE / "token.key"))
    signature = subprocess.run(argv, input=body.encode(), capture_output=True, check=True).stdout
    return f"{body}.{encoded(signature)}"


def granted(scope: str) -> dict[str, object]:
    """What a scope ("repository:team/web:pull,push") asks for, as the token grants it."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}


class Tokens(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """By name and password."""
        query = parse_qs(urlsplit(self.path).query)
        user = self._user()
        if user is None:
            self._answer(
                401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
            )
            return
        answer = {"token": signed(user, query.get("scope", [])), "expires_in": LIFE_SECONDS}
        if query.get("offline_token") == ["true"] and user:
            answer["refresh_token"] = f"refresh-{user}"
        self._answer(200, answer)

    def do_POST(self) -> None:
        """By refresh token."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        token = form.get("refresh_token", [""])[0]
        user = token.removeprefix("refresh-")
        if form.get("grant_type") != ["refresh_token"] or user not in USERS or (HERE / "expired").exists():
            self._answer(
                401, {"error": "invalid_grant", "error_description": "the refresh token has expired"}
            )
            return
        scopes = [scope for given in form.get("scope", []) for scope in given.split()]
        self._answer(
            200, {"access_token": signed(user, scopes), "expires_in": LIFE_SECONDS, "refresh_token": token}
        )

    def _user(self) -> str | None:
        """Who asks: "" for nobody in particular, None for one who gave a wrong password."""
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return ""
        name, _, password = base64.b64decode(given).decode().partition(":")
        return name if USERS.get(name) == password else None

    def _answer(self, status: int, fields: dict[str, object]) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("", PORT), Tokens)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(HERE / "tls.crt", HERE / "tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
