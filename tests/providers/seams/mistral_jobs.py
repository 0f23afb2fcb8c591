"""Batches of Mistral's as its SDK has them, and what an application asks about one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import PLAIN, PLAIN_COUNTS, chat, json_lines
from tests.providers.seams.conformance import done

SMALL: Final = "mistral-small-latest"
JOB: Final = "job-1"
FILE: Final = "file-out"
TWICE: Final = {name: 2 * count for name, count in PLAIN_COUNTS.items()}
TEXT: Final = "Describe the fjord."
REQUESTS: Final[Any] = [
    {"custom_id": str(n), "body": {"max_tokens": 100 + n, "messages": [{"role": "user", "content": TEXT}]}}
    for n in range(2)
]
INLINE: Final[dict[str, Any]] = {"endpoint": "/v1/chat/completions", "model": SMALL, "requests": REQUESTS}
OF_A_FILE: Final[dict[str, Any]] = {"endpoint": "/v1/chat/completions", "model": SMALL, "input_files": ["file-in"]}


def line(body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """A line of an output file."""
    return {"id": "b1", "custom_id": "1", "response": {"status_code": status, "body": body}, "error": None}


ANSWER: Final = line(chat(PLAIN, model=SMALL))
FAILED: Final = line({"object": "error", "message": "No such model.", "type": "invalid_model"}, 400)
BROKEN: Final = {"id": "b1", "custom_id": "4", "response": None, "error": {"message": "Timed out."}}
OUTPUTS: Final = [ANSWER, FAILED, ANSWER, BROKEN]
LINES: Final = json_lines(*OUTPUTS)


def job(status: str, *, succeeded: int = 0, **more: Any) -> bytes:
    """A batch as mistralai 3.7 has it (`models/batchjob.py`)."""
    body = {
        "id": JOB, "object": "batch", "input_files": [], "endpoint": "/v1/chat/completions", "errors": [],
        "status": status, "created_at": 1, "total_requests": 4, "completed_requests": succeeded,
        "succeeded_requests": succeeded, "failed_requests": 0, "model": SMALL, "output_file": None,
        "error_file": None, "outputs": None, "metadata": None, **more,
    }  # fmt: skip
    return json.dumps(body).encode()


QUEUED: Final = job("QUEUED")
RUNNING: Final = job("RUNNING", succeeded=1)
IN_A_FILE: Final = job("SUCCESS", succeeded=2, output_file=FILE)
ANSWERED: Final = job("SUCCESS", succeeded=2, outputs=OUTPUTS)


class Asks:
    """What an application asks about a batch, each answered with the body given."""

    def __init__(self, client: Any, simulator: ProviderSimulator, way: str) -> None:
        self.client = client
        self._simulator = simulator
        self._suffix = "_async" if way == "async" else ""

    def method(self, part: Any, name: str) -> Callable[..., Any]:
        """A method of this way of calling."""
        found: Callable[..., Any] = getattr(part, name + self._suffix)
        return found

    async def create(self, body: bytes = QUEUED, **options: Any) -> Any:
        """Make a batch."""
        self._simulator.replay(body=body)
        return await done(self.method(self.client.batch.jobs, "create")(**(options or INLINE)))

    async def get(self, body: bytes, **options: Any) -> Any:
        """Look at it."""
        self._simulator.replay(body=body)
        return await done(self.method(self.client.batch.jobs, "get")(job_id=JOB, **options))

    async def cancel(self, body: bytes) -> Any:
        """Give it up."""
        self._simulator.replay(body=body)
        return await done(self.method(self.client.batch.jobs, "cancel")(job_id=JOB))

    async def download(self, body: bytes = LINES) -> Any:
        """Ask for a file, which is read as it is taken."""
        self._simulator.replay(body=body, content_type="application/octet-stream")
        return await done(self.method(self.client.files, "download")(file_id=FILE))

    async def taken(self, body: bytes = LINES) -> bytes:
        """Fetch a whole file."""
        response = await self.download(body)
        content: bytes = await done(response.aread() if self._suffix else response.read())
        return content

    async def leave(self, response: Any) -> None:
        """Close a file that was not read to its end."""
        await done(response.aclose() if self._suffix else response.close())

    def lines(self, response: Any) -> Any:
        """Take a file line by line."""
        return response.aiter_lines() if self._suffix else response.iter_lines()
