"""Start the lab on this machine and open the page."""

import secrets
import socket
import webbrowser
from contextlib import suppress
from importlib.util import find_spec

HOST = "127.0.0.1"
NEEDS = ("starlette", "uvicorn", "websockets")


def serve(port: int = 0, *, browser: bool = True) -> None:
    """Serve the lab until Ctrl-C.

    The server answers only this machine, and only to addresses with a random token.

    Args:
        port: Port; 0 takes a free one.
        browser: Whether to open the page in a browser.

    Raises:
        ImportError: If the extra ``lab`` is not installed.
        OSError: If the port is taken.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"lab: expected the package {missing[0]}, got none; pip install 'advlearn[lab]'"
        )
    import torch
    import uvicorn

    from advlearn.lab.messages import MESSAGE_BYTES
    from advlearn.lab.server import Lab

    # Small networks: more threads than one make them slower.
    torch.set_num_threads(1)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            reason = str(error.strerror).lower()
            raise OSError(
                f"port: expected a free port, got {port}: {reason}; choose another, or 0 for any"
            ) from None
        listening.listen()
        taken = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        lab = Lab(token, (f"{HOST}:{taken}", f"localhost:{taken}"))
        address = f"http://{HOST}:{taken}/{token}/"
        print(f"advlearn lab: {address}  (Ctrl-C stops it)", flush=True)
        if browser:
            webbrowser.open(address)
        settings = uvicorn.Config(
            lab.app(),
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
            ws_max_queue=8,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[listening])
