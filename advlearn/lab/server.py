"""The local server: the page's own files, and a socket for each page, guarded by a token.

Every file is read at the start and served from memory by its exact name, so that no request can
name another file. Requests must carry the token in their path, and the host and origin of this
server.
"""

import asyncio
import hmac
import json
from contextlib import suppress
from importlib.resources import files
from typing import Any, final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from advlearn.core.version import VERSION
from advlearn.lab.catalogue import catalogue
from advlearn.lab.limits import SESSIONS, RateLimit
from advlearn.lab.messages import MESSAGE_BYTES
from advlearn.lab.session import Session

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
POLICY, LATER = 1008, 1013
"""Codes with which a socket is closed: a rule is broken; too many pages are open."""
OUTBOX = 32


@final
class Lab:
    """Serve the page and its sessions.

    Args:
        token: Secret part of the address.
        hosts: Values of the Host header that are accepted, such as ``127.0.0.1:8000``.
    """

    def __init__(self, token: str, hosts: tuple[str, ...]) -> None:
        self.token = token
        self.hosts = hosts
        self.origins = tuple(f"http://{host}" for host in hosts)
        self.files = _static_files()
        self.open = 0

    def app(self) -> Starlette:
        """Return the application."""
        app = Starlette(
            routes=[
                Route("/{token}/{name}", self.file, methods=["GET"]),
                Route("/{token}/", self.file, methods=["GET"]),
                WebSocketRoute("/{token}/socket", self.socket),
            ],
            exception_handlers={404: _not_found, 405: _not_found},
        )
        app.router.redirect_slashes = False
        return app

    async def file(self, request: Request) -> Response:
        """Return one of the page's own files."""
        name = request.path_params.get("name", "index.html")
        known = self._knows(request.path_params["token"], request.headers.get("host"))
        if not known or name not in self.files:
            return await _not_found(request, None)
        kind = TYPES[name[name.rindex(".") :]]
        return Response(self.files[name], media_type=kind, headers=HEADERS)

    async def socket(self, socket: WebSocket) -> None:
        """Run the session of one page."""
        headers = socket.headers
        known = self._knows(socket.path_params["token"], headers.get("host"))
        if not known or headers.get("origin") not in self.origins:
            await socket.close(POLICY)
            return
        if self.open >= SESSIONS:
            await socket.accept()
            await socket.close(LATER, f"{SESSIONS} pages are open; close one of them")
            return
        self.open += 1
        try:
            await socket.accept()
            await _serve(socket)
        finally:
            self.open -= 1

    def _knows(self, token: str, host: str | None) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode()) and host in self.hosts


async def _serve(socket: WebSocket) -> None:
    """Pass messages between a socket and a new session, until either ends."""
    loop = asyncio.get_running_loop()
    outbox: asyncio.Queue[str] = asyncio.Queue()

    def send(text: str) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(_keep, outbox, text)

    await socket.send_text(json.dumps({"type": "welcome", "version": VERSION, **catalogue()}))
    session = Session(send)
    tasks = [
        asyncio.create_task(_send_all(socket, outbox)),
        asyncio.create_task(_receive_all(socket, session)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(session.close)


def _keep(outbox: "asyncio.Queue[str]", text: str) -> None:
    """Keep a message for the page; the oldest one is dropped if the page does not read."""
    if outbox.qsize() >= OUTBOX:
        outbox.get_nowait()
    outbox.put_nowait(text)


async def _send_all(socket: WebSocket, outbox: "asyncio.Queue[str]") -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(await outbox.get())


async def _receive_all(socket: WebSocket, session: Session) -> None:
    """Hand messages to the session; close the socket at one that breaks a limit."""
    limit = RateLimit()
    while True:
        message: Any = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        content: str | bytes = message.get("text") or message.get("bytes") or ""
        if len(content) > MESSAGE_BYTES:
            await socket.close(1009, f"message: expected at most {MESSAGE_BYTES} bytes")
            return
        if not limit.allows() or not session.receive(content):
            await socket.close(POLICY, "too many messages")
            return


def _static_files() -> dict[str, bytes]:
    """Read every file of the page, by its name."""
    folder = files("advlearn.lab") / "static"
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name.endswith(tuple(TYPES))}


async def _not_found(request: Request, error: Exception | None) -> Response:
    return PlainTextResponse("not found\n", 404, headers=HEADERS)
