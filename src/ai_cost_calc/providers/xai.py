"""xAI's SDK, which speaks gRPC: `xai_sdk.Client` and `xai_sdk.AsyncClient`.

Both seams are the methods of the stubs that gRPC generated: one for each RPC, named after it. Everything a client does
goes through them, above the channel, whose service config tries again by itself; a refusal there sends nothing, and all
attempts are one call. A stub's methods are exchanged in place, so that chats that were made before are metered too. An
interceptor would need a new channel, and new stubs on it, which those chats do not have. Read in xai-sdk 1.21
(`sync/chat.py`, `aio/chat.py`, `client.py`) and grpcio 1.85.

Metered are chats in every form, compaction, images, videos and batches of them (docs.x.ai, "Models and pricing");
deferred answers once, with the poll that finds them done. Tokenizing and looking up models are free. Not metered:
collections, whose searches and storage no response accounts for. The SDK has no embeddings.
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final

import xai_sdk

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers import open_reader
from ai_cost_calc.providers._grpc import Asking, Asynchronous, Guarded, Rpc, Synchronous, let_go
from ai_cost_calc.providers._jobs import JOBS
from ai_cost_calc.providers._messages import Around, MessageCall
from ai_cost_calc.providers._request import text
from ai_cost_calc.providers._wraps import Wraps, check_version
from ai_cost_calc.providers._xai_batches import Added, FromFile, LookedAt, Results, parts_of_batch, parts_of_file
from ai_cost_calc.providers._xai_request import CHAT, IMAGE, VIDEO, chat_sending, media_sending, reading_of
from ai_cost_calc.providers.readers import message_fields

CHUNK: Final = frozenset({"usage", "outputs", "delta", "tool_calls", "function"})
"""Messages inside of a chunk that are read: their text is counted, and not kept."""


class XaiProvider(Wraps):
    """Wraps xAI's clients (`ports.providers.Provider`)."""

    def handles(self, client: object) -> bool:
        """Whether this is one of the SDK's clients, or of a class made from one."""
        return isinstance(client, xai_sdk.Client | xai_sdk.AsyncClient)

    def meter_of(self, client: Any) -> Meter | None:
        """Whom this client reports to, if it is wrapped."""
        method = client.chat._stub.GetCompletion  # noqa: SLF001 - see `_stubs`
        return method.meter if isinstance(method, Guarded) else None

    def put_on(self, client: Any, meter: Meter) -> None:
        """Stand in for the stubs' methods."""
        check_version("xai-sdk", xai_sdk.__version__, (1, 20))
        guarded = Asynchronous if iscoroutinefunction(client.close) else Synchronous
        for stub, rpcs in _stubs(client):
            for name, rpc in rpcs.items():
                setattr(stub, name, guarded(getattr(stub, name), rpc, meter))

    def take_off(self, client: Any) -> None:
        """Give the stubs their methods back."""
        for stub, rpcs in _stubs(client):
            for name in rpcs:
                found = getattr(stub, name)
                if isinstance(found, Guarded):
                    setattr(stub, name, found.original)


def _stubs(client: Any) -> list[tuple[Any, dict[str, Rpc]]]:
    """What the parts of a client send with, under the same name in both clients since the SDK's first release."""
    return [(getattr(client, part)._stub, rpcs) for part, rpcs in RPCS.items()]  # noqa: SLF001 - see above


class Whole:
    """Waits for an answer that comes at once."""

    def __init__(self, api: str, asking: Asking) -> None:
        self._api = api
        self._call = MessageCall(asking.meter, asking.running, asking.sending)
        self._model = asking.sending.request.model

    def answered(self, response: Any) -> None:
        """Read it."""
        self._call.answered(lambda: reading_of(self._api, response, self._model))

    def failed(self, error: BaseException) -> None:
        """Nothing is billed."""
        self._call.failed(error)


class Started:
    """Waits for the name of an answer that is made in the background; the call goes on until that is found."""

    def __init__(self, asking: Asking) -> None:
        self._running = asking.running
        let_go(asking.sending)

    def answered(self, response: Any) -> None:
        """Leave the call open."""
        JOBS.keep(_job(response), self._running)

    def failed(self, error: BaseException) -> None:
        """It was not started."""
        self._running.end(error=error)


class Found:
    """Waits for what became of an answer made in the background: recorded once, whoever finds it, and however often."""

    def __init__(self, api: str, asking: Asking) -> None:
        self._api = api
        self._meter = asking.meter
        self._job = _job(asking.request)

    def answered(self, response: Any) -> None:
        """Record it if it is done; give back what was held if it will not be."""
        status = message_fields(response, inside=()).get("status")
        if status == "PENDING" or JOBS.recorded(self._job):
            if (running := JOBS.waiting(self._job)) is not None:
                running.beat()
            return
        reading = reading_of(self._api, response.response)
        made = status == "DONE" or reading.usage is not None
        running = JOBS.finish(self._job)
        if running is None:
            if made:
                self._meter.record(reading, token=self._job)
            return
        if made:
            running.read(reading, token=self._job)
        running.end()

    def failed(self, error: BaseException) -> None:
        """It may be asked for again."""


def _job(message: Any) -> str:
    return f"x-ai:{message.request_id}"


class Chunks(Around):
    """Reads the chunks of a streamed chat."""

    __slots__ = ()

    def __init__(self, request: Any) -> None:
        super().__init__(open_reader(provider="x-ai", api=CHAT, model=text(request.model)))

    def message(self, payload: Any) -> None:
        """Take in a chunk."""
        self.reader.message(message_fields(payload, CHUNK))

    def close(self, *, ended: bool = True) -> Reading:
        """Say what they came to. gRPC ends a stream with a status, so that a whole one is known to be whole."""
        if ended:
            self.reader.message(b"[DONE]")
        return self.reader.close(ended=ended)


def _media(api: str, waits: Any) -> Rpc:
    return Rpc(sending=partial(media_sending, api=api), waits=waits)


RPCS: Final = {
    "chat": {
        "GetCompletion": Rpc(sending=chat_sending, waits=partial(Whole, CHAT)),
        "GetCompletionChunk": Rpc(sending=partial(chat_sending, stream=True), reader=Chunks),
        "StartDeferredCompletion": Rpc(sending=chat_sending, waits=Started),
        "GetDeferredCompletion": Rpc(waits=partial(Found, CHAT)),
        "CompactContext": Rpc(sending=chat_sending, waits=partial(Whole, CHAT)),
    },
    "image": {"GenerateImage": _media(IMAGE, partial(Whole, IMAGE))},
    "video": {
        "GenerateVideo": _media(VIDEO, Started),
        "ExtendVideo": _media(VIDEO, Started),
        "GetDeferredVideo": Rpc(waits=partial(Found, VIDEO)),
    },
    "batch": {
        "CreateBatch": Rpc(parts=parts_of_file, waits=FromFile),
        "AddBatchRequests": Rpc(parts=parts_of_batch, waits=Added),
        "GetBatch": Rpc(waits=LookedAt),
        "CancelBatch": Rpc(waits=LookedAt),
        "ListBatchResults": Rpc(waits=Results),
    },
}
"""By part of the client and by RPC. Others cost nothing: those that read what was made before, or delete it."""

PROVIDER: Final = XaiProvider("x-ai")
