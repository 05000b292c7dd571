"""Webhooks: a POST with JSON, by the standard library. Blocks; runs in a thread."""

from __future__ import annotations

import json
from base64 import b64encode
from http.client import HTTPException
from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Mapping


class NotSent(FtlError):
    """A notification was not sent; the message has no part of a URL but the host."""


class _NoRedirects(HTTPRedirectHandler):
    """Report a redirect: urllib would follow it with a GET, which nobody would read."""

    def redirect_request(self, *_arguments: object) -> None:
        """Do not follow."""


def post(url: str, fields: Mapping[str, object], *, seconds: float) -> None:
    """Post an object to a webhook.

    A user and a password in the URL become a header, as curl has it. `seconds` is the limit for each wait.

    Raises:
        NotSent: It did not answer, or not with 2xx.
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    headers = {"Content-Type": "application/json", "User-Agent": "ftl"}
    if at:
        headers["Authorization"] = f"Basic {b64encode(unquote(user).encode()).decode()}"
    try:
        address = urlunsplit(parts._replace(netloc=host))
        request = Request(address, json.dumps(fields).encode(), headers)  # noqa: S310 - `http` or `https`
        with build_opener(_NoRedirects).open(request, timeout=seconds):
            return
    except HTTPError as error:
        with error:
            raise NotSent(f"{host} answered with status {error.code}") from None
    except TimeoutError:
        raise NotSent(f"{host} did not answer in {seconds:g} s") from None
    except URLError as error:
        raise NotSent(f"{host}: {_reason(error.reason)}") from None
    except OSError as error:
        raise NotSent(f"{host}: {_reason(error)}") from None
    except (HTTPException, ValueError):  # their messages may quote the URL
        raise NotSent(f"{host} did not answer with HTTP") from None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, SSLError):
        return "it does not speak TLS"
    # A proxy's refusal has no `strerror`: "Tunnel connection failed: 403 Forbidden".
    text = (error.strerror or str(error)) if isinstance(error, OSError) else ""
    return f"{text[:1].lower()}{text[1:]}" or "it cannot be reached"
