"""App that answers with its version: at once, slowly and in streams. Runs in a container.

It needs nothing but Python. Environment: VERSION, PORTS (space separated). Paths: `/slow?SECONDS`, `/events` (an
event stream), `/socket` (a WebSocket); anything else answers at once with what it saw. On SIGTERM it answers what it
has begun and ends streams as good manners ask, and then ends at once, as most servers do.
"""

import asyncio
import base64
import hashlib
import json
import os
import signal

VERSION = os.environ["VERSION"]
ENDING = asyncio.Event()
UNFINISHED: set[asyncio.StreamWriter] = set()
END_SECONDS = 0.5  # at most, for what is unfinished at SIGTERM


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, request after request."""
    try:
        while await answer(reader, writer):
            await writer.drain()
            UNFINISHED.discard(writer)
    except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
        pass  # the other side went away
    finally:
        UNFINISHED.discard(writer)
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request; whether another one may follow."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    UNFINISHED.add(writer)
    method, target, _ = head[0].split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    if path == "/socket":
        await socket(reader, writer, headers)
        return False
    if path == "/events":
        await events(writer)
        return False
    if path == "/slow":
        await asyncio.sleep(float(query))
    said = {"version": VERSION, "method": method, "path": target, "headers": headers, "body": body.decode()}
    content = json.dumps(said).encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
        + content
    )
    return True


async def events(writer: asyncio.StreamWriter) -> None:
    """An event each 100 ms; a proper end of the chunked body at the end."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    while not await ended(0.1):
        line = f"data: {VERSION}\n\n".encode()
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: dict[str, str]) -> None:
    """A text frame each 100 ms; close frame 1001 (going away) at the end (RFC 6455)."""
    seed = headers["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(seed).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    text = VERSION.encode()
    while not await ended(0.1):
        writer.write(bytes([0x81, len(text)]) + text)
        await writer.drain()
    writer.write(bytes([0x88, 2]) + (1001).to_bytes(2, "big"))
    await writer.drain()
    await asyncio.wait_for(reader.read(64), 2)


async def ended(seconds: float) -> bool:
    """Wait so long, or until SIGTERM."""
    try:
        await asyncio.wait_for(ENDING.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def main() -> None:
    """Serve until SIGTERM, then give unfinished answers a moment to end."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ENDING.set)
    servers = [
        await asyncio.start_server(serve, "0.0.0.0", int(port)) for port in os.environ["PORTS"].split()
    ]
    await ENDING.wait()
    for server in servers:
        server.close()
    clock = asyncio.get_running_loop().time
    until = clock() + END_SECONDS
    while UNFINISHED and clock() < until:
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main())
