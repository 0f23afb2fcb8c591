"""Processes that run one side of a comparison, and the server that the official client talks to."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Worker:
    """One side of a comparison, in a process of its own, so that both sides meet the same machine."""

    def __init__(self, python: str, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", f"benchmarks.{module}", *arguments], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def run(self, case: str, count: int) -> list[float]:
        """Run a case; returns seconds, one figure or one for each call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"case": case, "count": count}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()}")
        return [float(value) for value in json.loads(line)]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def official(python: str, base_url: str) -> Worker:
    """The official client."""
    return Worker(python, "official_worker", base_url)


def ours(budgets: int = 3, durability: str = "process") -> Worker:
    """Our client with so many budgets."""
    return Worker(sys.executable, "our_worker", str(budgets), durability)


@contextmanager
def margindash(blocked_customers: int) -> Iterator[str]:
    """A server that speaks just enough of the protocol for the official client; gives its base URL."""
    state = {
        "version": 1, "ttl_seconds": 1_000_000, "changed": True,
        "blocked": {
            "organization": False, "event_types": ["other"],
            "customer_ids": [f"other-{number}" for number in range(blocked_customers)],
        },
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"models": []} if "/models" in self.path else state)

        def do_POST(self) -> None:
            events = json.loads(self.rfile.read(int(self.headers["content-length"])))["events"]
            self._answer({"results": [{"status": "created"} for _ in events], "budget_state_version": 1})

        def _answer(self, body: Any) -> None:
            raw = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1"
    finally:
        server.shutdown()
        server.server_close()
