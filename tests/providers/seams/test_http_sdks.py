"""SDKs that are guarded at their HTTP client keep every provider's promises: Mistral's, Cohere's and Ollama's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import cohere
import httpx
import httpx2
import ollama
import pytest
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig

from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import PLAIN, PLAIN_COUNTS, chat, chunk, json_lines, sse
from tests.providers.seams.conformance import Case, done
from tests.providers.seams.http_conformance import HttpConformance
from tests.providers.seams.recording import RecordingMeter

MESSAGES: Final[Any] = [{"role": "user", "content": "Describe the fjord."}]
ASK: Final[dict[str, Any]] = {"model": "mistral-small-latest", "messages": MESSAGES}
COMMAND: Final[dict[str, Any]] = {"model": "command-a-03-2025", "messages": MESSAGES}
LLAMA: Final[dict[str, Any]] = {"model": "llama3.2", "messages": MESSAGES}

QUICKLY: Final = RetryConfig("backoff", BackoffStrategy(1, 1, 1.0, 10_000, jitter_ms=0), retry_connection_errors=False)
BILLED: Final = {
    "billed_units": {"input_tokens": 12, "output_tokens": 64},
    "tokens": {"input_tokens": 212, "output_tokens": 64},
}
BILLED_COUNTS: Final = {"input_tokens": 12, "output_tokens": 64}
COHERE_ERROR: Final = b'{"id": "c1", "message": "invalid request: no such model"}'
OLLAMA_ERROR: Final = b'{"error": "model \\"llama3.2\\" not found"}'


def mistral(url: str) -> Mistral:
    """A client of Mistral's that tries again at once; loopback needs no certificates."""
    return Mistral(
        api_key="any",
        server_url=url,
        client=httpx2.Client(verify=False),
        async_client=httpx2.AsyncClient(verify=False),
        retry_config=QUICKLY,
    )


async def close_mistral(client: Any) -> None:
    """Close what was given to it."""
    client.sdk_configuration.client.close()
    await client.sdk_configuration.async_client.aclose()


MISTRAL_ANSWER: Final = json.dumps(chat(PLAIN, model="mistral-small-latest", object="chat.completion")).encode()
MISTRAL_EVENTS: Final = sse(
    chunk("Still", model="mistral-small-latest"),
    chunk(" water", model="mistral-small-latest"),
    chunk("", finish="stop", model="mistral-small-latest", usage=PLAIN),
    "[DONE]",
)
MISTRAL: Final = [
    Case(
        name=f"Mistral, {how}",
        open=mistral,
        ask=ask,
        answer=MISTRAL_ANSWER,
        usage=PLAIN_COUNTS,
        provider="mistral",
        model="mistral-small-latest",
        stream=stream,
        events=MISTRAL_EVENTS,
        close=close_mistral,
    )
    for how, ask, stream in (
        ("sync", lambda client: client.chat.complete(**ASK), lambda client: client.chat.stream(**ASK)),
        ("async", lambda client: client.chat.complete_async(**ASK), lambda client: client.chat.stream_async(**ASK)),
    )
]


def cohere_client(kind: type[Any]) -> Callable[[str], Any]:
    """A way to make a client of Cohere's."""
    http: Any = httpx.AsyncClient if "Async" in kind.__name__ else httpx.Client
    return lambda url: kind("any", base_url=url, httpx_client=http(verify=False))


def close_cohere(client: Any) -> Any:
    """Close what was given to it."""
    http = client._client_wrapper.httpx_client.httpx_client
    return http.aclose() if isinstance(http, httpx.AsyncClient) else http.close()


COHERE_V2_ANSWER: Final = {
    "id": "c1", "finish_reason": "COMPLETE", "usage": BILLED,
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Still water."}]},
}  # fmt: skip
COHERE_V2_EVENTS: Final = sse(
    {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Still water"}}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": BILLED}},
)
COHERE_V1_ANSWER: Final = {"generation_id": "c1", "text": "Still water.", "finish_reason": "COMPLETE", "meta": BILLED}
COHERE_V1_EVENTS: Final = json_lines(
    {"is_finished": False, "event_type": "stream-start", "generation_id": "c1"},
    {"is_finished": False, "event_type": "text-generation", "text": "Still water"},
    {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": COHERE_V1_ANSWER},
)
COHERE: Final = [
    *[
        Case(
            name=f"cohere.{kind.__name__}",
            open=cohere_client(kind),
            ask=lambda client: client.chat(**COMMAND),
            answer=json.dumps(COHERE_V2_ANSWER).encode(),
            usage=BILLED_COUNTS,
            provider="cohere",
            model="command-a-03-2025",
            api="chat_v2",
            stream=lambda client: client.chat_stream(**COMMAND),
            events=COHERE_V2_EVENTS,
            error=COHERE_ERROR,
            close=close_cohere,
        )
        for kind in (cohere.ClientV2, cohere.AsyncClientV2)
    ],
    *[
        Case(
            name=f"cohere.{kind.__name__}",
            open=cohere_client(kind),
            ask=lambda client: client.chat(model="command-r-08-2024", message="Describe the fjord."),
            answer=json.dumps(COHERE_V1_ANSWER).encode(),
            usage=BILLED_COUNTS,
            provider="cohere",
            model="command-r-08-2024",
            api="chat_v1",
            stream=lambda client: client.chat_stream(model="command-r-08-2024", message="Describe the fjord."),
            events=COHERE_V1_EVENTS,
            events_type="application/stream+json",
            error=COHERE_ERROR,
            close=close_cohere,
        )
        for kind in (cohere.Client, cohere.AsyncClient)
    ],
]

LINES: Final[list[dict[str, Any]]] = [
    {"model": "llama3.2", "created_at": "2026-11-25T07:00:00Z", "message": {"role": "assistant", "content": "Still"}},
    {"model": "llama3.2", "created_at": "2026-11-25T07:00:00Z", "message": {"role": "assistant", "content": " water"}},
    {"model": "llama3.2", "created_at": "2026-11-25T07:00:01Z", "message": {"role": "assistant", "content": ""},
     "done": True, "done_reason": "stop", "prompt_eval_count": 17, "eval_count": 63},
]  # fmt: skip
OLLAMA_COUNTS: Final = {"input_tokens": 17, "output_tokens": 63}
OLLAMA: Final = [
    Case(
        name=f"ollama.{kind.__name__}",
        open=lambda url, kind=kind: kind(url, verify=False),  # type: ignore[misc]  # a default binds it
        ask=lambda client: client.chat(**LLAMA),
        answer=json.dumps(LINES[-1]).encode(),
        usage=OLLAMA_COUNTS,
        provider="ollama",
        model="llama3.2",
        api="ollama",
        stream=lambda client: client.chat(**LLAMA, stream=True),
        events=json_lines(*LINES),
        events_type="application/x-ndjson",
        error=OLLAMA_ERROR,
        retries=False,
    )
    for kind in (ollama.Client, ollama.AsyncClient)
]


class TestSdks(HttpConformance):
    """Every client that is guarded at its HTTP client."""

    @pytest.fixture(params=[*MISTRAL, *COHERE, *OLLAMA], ids=str)
    def case(self, request: pytest.FixtureRequest) -> Case:
        """What is tested."""
        case: Case = request.param
        return case

    async def test_what_the_sdk_tries_again_is_counted_once(
        self, case: Case, client: Any, meter: RecordingMeter, simulator: ProviderSimulator, answered: Callable[[], None]
    ) -> None:
        """Each attempt is a call: the one that fails is not billed, the one that succeeds is read."""
        if not case.retries:
            simulator.next(status=500)
            with pytest.raises(ollama.ResponseError):
                await done(case.ask(client))
            assert len(simulator.requests) == 1
            assert meter.call.readings == []
            return
        simulator.next(status=500, retry_after=0)
        answered()
        await done(case.ask(client))
        assert len(simulator.requests) == 2
        failed, succeeded = meter.calls
        assert (failed.readings, failed.ended) == ([], True)
        assert succeeded.usage.counts() == case.usage
        assert succeeded.ended
