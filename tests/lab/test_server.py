"""Test the lab's server: what it refuses, its limits, and pages that train at the same time."""

import json
import random
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from advlearn.lab.limits import SESSIONS
from advlearn.lab.messages import MESSAGE_BYTES
from tests.lab.conftest import Address

START = json.dumps({"type": "start", "games": [{"kind": "generate"}]})


def opened(lab: Address, **options: Any) -> ClientConnection:
    return connect(lab.socket, origin=options.pop("origin", lab.origin), proxy=None, **options)


def next_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of a kind."""
    while True:
        message = json.loads(socket.recv(timeout=60))
        if message["type"] == kind:
            return message


def get(lab: Address, path: str, **headers: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://{lab.host}{path}", headers=headers)


def test_the_page_and_its_files_are_served_with_the_token(lab: Address) -> None:
    page = get(lab, f"/{lab.token}/")
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert get(lab, f"/{lab.token}/style.css").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/wrong-token/",
        "/wrong-token/style.css",
        "/secret-token",
        "/secret-token/../server.py",
        "/secret-token/..%2fserver.py",
        "/secret-token/%2e%2e/server.py",
        "/secret-token//etc/passwd",
        "/secret-token/%2fetc%2fpasswd",
        "/secret-token/static/style.css",
        "/secret-token/server.py",
        "/secret-token/style.css%00",
        "/secret-token/..\\server.py",
    ],
)
def test_no_other_path_is_served(lab: Address, path: str) -> None:
    answer = get(lab, path)
    assert answer.status_code == 404 and answer.text == "not found\n"


def test_another_host_is_refused(lab: Address) -> None:
    """A name that a stranger's server points to this machine has another Host header."""
    assert get(lab, f"/{lab.token}/", Host="evil.example").status_code == 404


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", None]
)
def test_sockets_of_other_origins_are_refused(lab: Address, origin: str | None) -> None:
    with pytest.raises(InvalidStatus), opened(lab, origin=origin):
        pass


def test_a_socket_needs_the_token(lab: Address) -> None:
    wrong = lab.socket.replace(lab.token, "another-token")
    with pytest.raises(InvalidStatus), connect(wrong, origin=lab.origin, proxy=None):
        pass


def test_a_large_message_closes_the_socket(lab: Address) -> None:
    with opened(lab) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            socket.send("x" * (MESSAGE_BYTES + 1))
            while True:
                socket.recv(timeout=30)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_too_many_messages_close_the_socket(lab: Address) -> None:
    with opened(lab) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(20_000):
                socket.send('{"type": "drawn"}')
            while True:
                socket.recv(timeout=30)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def test_pages_above_the_limit_are_turned_away(lab: Address) -> None:
    with ExitStack() as pages:
        for _ in range(SESSIONS):
            next_of(pages.enter_context(opened(lab)), "welcome")
        with opened(lab) as further, pytest.raises(ConnectionClosed) as closed:
            further.recv(timeout=30)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013


def test_two_pages_train_at_once_and_get_the_numbers_of_their_seed(lab: Address) -> None:
    def losses(sockets: list[ClientConnection]) -> list[Any]:
        for socket in sockets:
            socket.send(START)
        frames = []
        for _ in range(4):
            for socket in sockets:
                socket.send('{"type": "step", "side": "both"}')
        for socket in sockets:
            drawn = [next_of(socket, "frame") for _ in range(5)]
            frames.append(drawn[-1]["games"][0])
        return frames

    with opened(lab) as one, opened(lab) as two:
        first, second = losses([one, two])
    with opened(lab) as alone_socket:
        (again,) = losses([alone_socket])
    assert first["step"] == 4
    assert first == second == again


def test_playing_sends_frames_and_waits_for_answers(lab: Address) -> None:
    with opened(lab) as socket:
        socket.send(START)
        next_of(socket, "started")
        socket.send('{"type": "play"}')
        steps = []
        for _ in range(6):
            steps.append(next_of(socket, "frame")["games"][0]["step"])
            socket.send('{"type": "drawn"}')
        assert steps == sorted(steps) and steps[-1] > 0
        socket.send('{"type": "pause"}')
        # A last frame may be under way.
        while next_of(socket, "state")["playing"]:
            pass


def random_value(rng: random.Random, depth: int = 0) -> Any:
    plain: list[Any] = [None, True, -1, 0, 3, 1e308, 2**70, "", "nsgan", "é\n\x00", "x" * 300]
    if depth > 2 or rng.random() < 0.5:
        return rng.choice(plain)
    if rng.random() < 0.5:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    keys = ["type", "games", "kind", "settings", "objective", "data", "points", "seed", "game", "?"]
    return {rng.choice(keys): random_value(rng, depth + 1) for _ in range(rng.randrange(5))}


def random_message(rng: random.Random) -> str | bytes:
    """Return a random message: of valid types with random contents, cut JSON, or any bytes."""
    kind = rng.choice(["start", "edit", "play", "pause", "step", "drawn", "none", 3])
    message: dict[str, Any] = {"type": kind}
    if kind == "start":
        base = {"kind": rng.choice(["generate", "dirac", "adaptation", "fairness", "what"])}
        base |= {"objective": rng.choice(["r1", "nsgan(", "nsgan(x=1)", "a" * 999, "()", "é"])}
        message["games"] = [base]
    elif rng.random() < 0.7:
        message |= {"settings": random_value(rng), "game": random_value(rng)}
    text = json.dumps(message if rng.random() < 0.8 else random_value(rng))
    if rng.random() < 0.1:
        return text[: rng.randrange(len(text))]
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(60))
    return "[" * 20_000 if rng.random() < 0.02 else text


def test_a_thousand_random_messages_get_one_line_answers(
    lab: Address, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    sent = 0
    while sent < 1000:
        # Slower than the limit of the rate: each message waits for an answer of some kind.
        with opened(lab) as socket:
            next_of(socket, "welcome")
            for _ in range(50):
                socket.send(random_message(rng))
                sent += 1
            socket.send('{"type": "such a type is unknown"}')
            answer = next_of(socket, "refused")
            while "such a type" not in answer["message"]:
                assert "\n" not in answer["message"] and len(answer["message"]) <= 300
                answer = next_of(socket, "refused")
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    assert get(lab, f"/{lab.token}/").status_code == 200
