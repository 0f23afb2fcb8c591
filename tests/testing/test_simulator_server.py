"""The simulator's server: connections, framing, many clients at once, no leftovers."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import ai_cost_calc.testing
from ai_cost_calc.testing import ProviderSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedRWPair

BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(BODY)


@pytest.fixture
def line(simulator: ProviderSimulator) -> Iterator[BufferedRWPair]:
    """Open a bare connection to a simulator."""
    with connected(port_of(simulator)) as opened:
        yield opened


@contextmanager
def connected(port: int) -> Iterator[BufferedRWPair]:
    """Connect to a port of this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as opened, opened.makefile("rwb") as line:
        yield line


def port_of(simulator: ProviderSimulator) -> int:
    """Return the port a simulator listens on."""
    return int(simulator.url.rsplit(":", 1)[1])


def send(line: BufferedRWPair, data: bytes) -> None:
    """Send bytes without waiting for more."""
    line.write(data)
    line.flush()


def read_answer(line: BufferedRWPair) -> tuple[int, Any]:
    """Read one answer from a connection that stays open."""
    status = int(line.readline().split()[1])
    headers = http.client.parse_headers(line)
    return status, json.loads(line.read(int(headers["content-length"])))


def test_a_hundred_tasks_are_all_answered(simulator: ProviderSimulator) -> None:
    """A hundred connections at once lose no request, plain or streamed."""
    openai = pytest.importorskip("openai", reason="the openai SDK is not installed")

    async def burst() -> list[int]:
        async with openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="any", max_retries=0) as client:

            async def ask(number: int) -> int:
                messages = [{"role": "user", "content": f"Question {number}"}]
                await client.chat.completions.create(model="gpt-4o", messages=messages)
                stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
                return len([chunk async for chunk in stream])

            return list(await asyncio.gather(*(ask(number) for number in range(100))))

    assert all(count > 2 for count in asyncio.run(burst()))
    asked = [request.body["messages"][0]["content"] for request in simulator.requests]
    assert sorted(asked) == sorted(2 * [f"Question {number}" for number in range(100)])


def test_a_hundred_threads_keep_their_connections(simulator: ProviderSimulator) -> None:
    """A thousand requests over a hundred connections are answered in order, each on its own connection."""
    answered: list[int] = []

    def ask() -> None:
        with connected(port_of(simulator)) as line:
            for _ in range(10):
                send(line, HEAD + b"\r\n" + BODY)
                answered.append(read_answer(line)[0])

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [200] * 1_000


def test_pipelined_requests_are_answered_in_order(line: BufferedRWPair, simulator: ProviderSimulator) -> None:
    """Requests that come in one packet wait for the ones before them, however slow those are."""
    simulator.next(delay_ms=50, text="slow")
    simulator.next(text="quick")
    send(line, (HEAD + b"\r\n" + BODY) * 2)
    texts = [read_answer(line)[1]["choices"][0]["message"]["content"] for _ in range(2)]
    assert texts == ["slow", "quick"]


def test_a_request_in_pieces_is_one_request(line: BufferedRWPair, simulator: ProviderSimulator) -> None:
    """Where packets are cut does not matter."""
    request = HEAD + b"\r\n" + BODY
    for start in range(0, len(request), 7):
        send(line, request[start : start + 7])
    assert read_answer(line)[0] == 200
    assert len(simulator.requests) == 1


def test_a_client_that_waits_to_be_asked_is_asked(line: BufferedRWPair) -> None:
    """`Expect: 100-continue` gets its interim answer before the body is sent."""
    send(line, HEAD + b"Expect: 100-continue\r\n\r\n")
    assert line.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert line.readline() == b"\r\n"
    send(line, BODY)
    assert read_answer(line)[0] == 200


def test_a_connection_is_closed_when_asked(line: BufferedRWPair) -> None:
    """`Connection: close` ends the connection behind the answer."""
    send(line, HEAD + b"Connection: close\r\n\r\n" + BODY)
    assert line.read().startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"POST /v1/responses HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400 Bad Request"),
        (b"POST /v1/responses HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411 Length Required"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, b"431 Request Header Fields Too Large"),
    ],
)
def test_what_is_not_http_is_refused(line: BufferedRWPair, sent: bytes, status: bytes) -> None:
    """A broken request is answered and its connection closed."""
    send(line, sent)
    assert line.read().startswith(b"HTTP/1.1 " + status)


def test_streams_are_flushed_event_by_event(line: BufferedRWPair, simulator: ProviderSimulator) -> None:
    """The first event is there while the second is still being waited for."""
    simulator.next(chunk_delay_ms=10_000)
    body = json.dumps({**json.loads(BODY), "stream": True}).encode()
    send(line, b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    http.client.parse_headers(line)
    size = int(line.readline(), 16)
    assert line.read(size).startswith(b'data: {"id":"chatcmpl-')


def test_closing_leaves_nothing_behind() -> None:
    """After the close the port refuses, the thread has ended and open connections are gone."""
    simulator = ProviderSimulator().start()
    port = port_of(simulator)
    with connected(port) as line:
        send(line, HEAD + b"\r\n" + BODY)
        assert read_answer(line)[0] == 200
        simulator.close()
        assert line.read() == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not [thread for thread in threading.enumerate() if thread.name == "provider-simulator"]


def test_importing_the_tools_loads_neither_pytest_nor_an_sdk() -> None:
    """What a test tool needs is loaded when it is used, and a vendor SDK never."""
    program = (
        "import sys; from ai_cost_calc.testing import FakeClock, ProviderSimulator\n"
        "with ProviderSimulator(): pass\n"
        "print(sorted({'pytest', 'openai', 'anthropic', 'httpx2', 'httpx', 'hypothesis'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    """What the package lists it has, and nothing else is made up."""
    for name in ai_cost_calc.testing.__all__:
        assert getattr(ai_cost_calc.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = ai_cost_calc.testing.Nonsense
