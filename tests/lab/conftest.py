"""Run the lab's server in a thread, as `advlearn lab` runs it."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn

from advlearn.lab.messages import MESSAGE_BYTES
from advlearn.lab.server import Lab


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
