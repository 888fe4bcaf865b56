"""Run the lab's server in a thread, as `advlearn lab` runs it, and open its page in Chromium."""

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from advlearn.lab.messages import MESSAGE_BYTES
from advlearn.lab.server import Lab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]

# Keeps the page's socket, so that a test can hand a message to it, and what the page sends.
KEEP_SOCKET = """window.sent = [];
window.WebSocket = class extends WebSocket {
  constructor(address) { super(address); window.socket = this; }
  send(text) { window.sent.push(JSON.parse(text)); super.send(text); }
};"""


@dataclass(frozen=True)
class Address:
    """Where the server answers."""

    port: int
    token: str

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def page(self) -> str:
        return f"http://{self.host}/{self.token}/"

    @property
    def socket(self) -> str:
        return f"ws://{self.host}/{self.token}/socket"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"


@pytest.fixture
def lab() -> Iterator[Address]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        app = Lab("secret-token", (f"127.0.0.1:{port}", f"localhost:{port}")).app()
        settings = uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
            log_level="error",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Address(port, "secret-token")
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def page(lab: Address) -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # The test's own functions are evaluated as text, which the page's policy forbids.
        context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
        opened = context.new_page()
        opened.set_default_timeout(150_000)
        faults: list[str] = []
        requests: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on("request", lambda request: requests.append(request.url))
        opened.add_init_script(KEEP_SOCKET)
        opened.goto(lab.page)
        wait(opened, "lab.frames > 0")
        yield opened
        assert not faults
        own = (lab.page, "data:", "blob:")
        assert not [url for url in requests if not url.startswith(own)]
        browser.close()


def wait(page: Any, condition: str) -> None:
    page.wait_for_function(condition)
