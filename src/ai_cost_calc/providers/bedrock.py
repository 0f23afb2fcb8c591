"""Amazon Bedrock through boto3: clients of the service `bedrock-runtime`, whether boto3 or botocore made them.

Both seams are events of the client itself (boto3's guide "Extensibility"): `before-call` comes after the parameters
were checked and before the retry loop, `after-call` with the answer, `after-call-error` with what the connection or
the retries ended in. What belongs to one call travels in the `context` that botocore hands to all of its handlers. Read
in botocore 1.44 (`client.py`, `endpoint.py`, `hooks.py`).

Metered are Converse and InvokeModel, streamed or not (aws.amazon.com/bedrock/pricing: by token). Free: CountTokens.
Not metered: ApplyGuardrail and InvokeGuardrailChecks, billed by text unit, and StartAsyncInvoke, billed by what it
leaves in S3. boto3 does not offer bidirectional streams. Clients of aiobotocore and aioboto3 are not handled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

import botocore
from botocore.client import BaseClient
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers import open_reader, read_usage
from ai_cost_calc.providers._botocore import tap_body, tapped_stream
from ai_cost_calc.providers._call import begin
from ai_cost_calc.providers._dropped import follow, settle_dropped
from ai_cost_calc.providers._messages import Around, MessageCall
from ai_cost_calc.providers._request import TOOL_PROMPT_BYTES, Input, Request, Sending, decoded, text
from ai_cost_calc.providers._settings import CHOICES, LIMITS, setting
from ai_cost_calc.providers._tap import quietly, unknown
from ai_cost_calc.providers._wraps import Wraps, check_version

METERED: Final = {
    "Converse": "converse",
    "ConverseStream": "converse",
    "InvokeModel": "invoke",
    "InvokeModelWithResponseStream": "invoke",
}
"""Operations that are billed by token, and how their answers are read."""

CONVERSE_INPUT: Final = (
    "messages", "system", "toolConfig", "additionalModelRequestFields", "outputConfig", "promptVariables",
)  # fmt: skip
"""Parameters of Converse that models read (`API_runtime_Converse`)."""
_ERROR: Final = 300
"""The first HTTP status that botocore makes an error of."""
_KEY: Final = "ai_cost_calc"
_BUILD: Final = "before-parameter-build.*.*"
_CALL: Final = "before-call.*.*"
_ANSWER: Final = "after-call.*.*"
_FAILURE: Final = "after-call-error.*.*"


class BedrockProvider(Wraps):
    """Wraps boto3's clients for Bedrock's models (`ports.providers.Provider`)."""

    def __init__(self) -> None:
        super().__init__("aws")
        self._hooks: WeakKeyDictionary[Any, Hooks] = WeakKeyDictionary()

    def handles(self, client: object) -> bool:
        """Whether this is a client of `bedrock-runtime`; one of aiobotocore is not, whose answers come later."""
        return (
            isinstance(client, BaseClient)
            and client.meta.service_model.service_name == "bedrock-runtime"
            and not any(base.__module__.startswith("aiobotocore") for base in type(client).__mro__)
        )

    def meter_of(self, client: Any) -> Meter | None:
        """Whom this client reports to, if it is wrapped."""
        hooks = self._hooks.get(client)
        return None if hooks is None else hooks.meter

    def put_on(self, client: Any, meter: Meter) -> None:
        """Register with the client's own events; other clients of its session have theirs."""
        check_version("botocore", botocore.__version__, (1, 40))
        self._hooks[client] = Hooks(meter, client.meta.region_name, client.meta.events)

    def take_off(self, client: Any) -> None:
        """Unregister."""
        self._hooks.pop(client).take_off()


class Hooks:
    """Our handlers for the events of one client.

    Those for answers stay on for as long as a call is under way: it is billed even when its client is unwrapped.
    """

    def __init__(self, meter: Meter, region: str | None, events: Any) -> None:
        self.meter = meter
        self._region = region
        self._events = ref(events)
        self._on = True
        self._under_way: set[object] = set()
        events.register_first(_BUILD, self.parameters)
        events.register_first(_CALL, self.before)
        events.register_first(_ANSWER, self.after)
        events.register_first(_FAILURE, self.failed)

    def take_off(self) -> None:
        """Unregister; wait for no more calls."""
        events = self._events()
        if events is not None:
            events.unregister(_BUILD, self.parameters)
            events.unregister(_CALL, self.before)
        self._on = False
        self._leave_if_idle()

    def _leave(self, call: object) -> None:
        self._under_way.discard(call)
        if not self._on:
            self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        events = self._events()
        if events is not None and not self._under_way:
            events.unregister(_ANSWER, self.after)
            events.unregister(_FAILURE, self.failed)

    def parameters(self, *, params: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        """Note what is asked for; other handlers may still change it, in place."""
        if model.name in METERED:
            context[_KEY] = params

    def before(self, *, model: Any, context: dict[str, Any], **_: Any) -> None:
        """Reserve, or refuse, before anything is sent. An answer of ours would be taken for the provider's."""
        params = context.pop(_KEY, None)
        mark = object()
        self._under_way.add(mark)  # before looking whether it is wrapped: `take_off` does it the other way round
        call = None
        try:
            if params is not None and self._on:
                call = self._begun(model.name, params, partial(self._leave, mark))
        finally:
            if call is None:
                self._leave(mark)
        if call is not None:
            context[_KEY] = waiting = Waiting(call)
            call.keepsake = ref(waiting, lambda _: call.finish(ended=False))
            follow((call,))

    def _begun(self, operation: str, params: Any, then: Callable[[], None]) -> MessageCall | None:
        settle_dropped()
        sending = quietly(self.meter, "request", sending_of, operation, params)
        running = None if sending is None else begin(self.meter, sending)
        return None if sending is None or running is None else MessageCall(self.meter, running, sending, then)

    def after(
        self, *, http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        """Read the answer, or see it when it is read."""
        waiting = context.pop(_KEY, None)
        if type(waiting) is not Waiting:
            return
        call = waiting.call
        try:
            if http_response.status_code >= _ERROR:
                call.failed(ClientError(parsed, model.name))
            else:
                self._take(call, model.name, parsed)
        except Exception as fault:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.meter.fault("tap", fault)
            call.answered(lambda: unknown(call.sending))

    def failed(self, *, exception: BaseException, context: dict[str, Any], **_: Any) -> None:
        """Nothing came, after all retries."""
        waiting = context.pop(_KEY, None)
        if type(waiting) is Waiting:
            waiting.call.failed(exception)

    def _take(self, call: MessageCall, operation: str, parsed: dict[str, Any]) -> None:
        answer = Answer(call.sending.request, parsed.get("ResponseMetadata", {}), self._region)
        if operation == "Converse":
            return call.answered(lambda: answer.of(parsed))
        name = "stream" if operation == "ConverseStream" else "body"
        given = parsed.get(name)
        if isinstance(given, EventStream):
            parsed[name] = call.opened(answer, partial(tapped_stream, given), "eventstream") or given
        elif isinstance(given, StreamingBody):
            call.opened(answer, partial(tap_body, given, answer.length))
        else:
            call.answered(lambda: unknown(call.sending))
        return None


class Waiting:
    """Lies in a call's context until the answer comes.

    Where it is freed before that, no answer will come: after an interrupt, or a fault of somebody's handler.
    """

    __slots__ = ("__weakref__", "call")

    def __init__(self, call: MessageCall) -> None:
        self.call = call


class Answer(Around):
    """Reads one answer, and adds what botocore knows beside it: region, request id, headers' counts."""

    __slots__ = ("_headers", "_id", "_region", "_request")

    def __init__(self, request: Any, metadata: Mapping[str, Any], region: str | None) -> None:
        self._headers: Mapping[str, str] = metadata.get("HTTPHeaders", {})
        super().__init__(open_reader(provider="aws", api=request.api, model=request.model, headers=self._headers))
        self._id = metadata.get("RequestId")
        self._region = region
        self._request = request

    @property
    def length(self) -> int | None:
        """How many bytes its body has, where the headers say."""
        length = self._headers.get("content-length", "")
        return int(length) if length.isdecimal() else None

    def of(self, parsed: dict[str, Any]) -> Reading:
        """Read a whole answer."""
        request = self._request
        return self._told(
            read_usage(parsed, provider="aws", api=request.api, model=request.model, headers=self._headers)
        )

    def close(self, *, ended: bool = True) -> Reading:
        """Say what it came to; of a body that was not read, the headers do."""
        reading = self.reader.close(ended=ended)
        if reading.usage is None and (by_headers := self.of({})).usage is not None:
            return by_headers
        return self._told(reading)

    def _told(self, reading: Reading) -> Reading:
        return replace(reading, region=self._region, response_id=reading.response_id or self._id)


def sending_of(operation: str, params: Mapping[str, Any]) -> Sending:
    """What is about to be asked of a model."""
    api = METERED[operation]
    body, given = (params, _converse_input(params)) if api == "converse" else _invoke_input(params.get("body"))
    request = Request(
        provider="aws",
        model=text(params.get("modelId")),
        api=api,
        stream=operation.endswith("Stream"),
        input=given,
        max_output_tokens=setting(body, LIMITS),
        choices=setting(body, CHOICES) or 1,
        service_tier=text(_inside(params, "serviceTier").get("type") or params.get("serviceTier")),
    )
    return Sending(request, None, b"")


def _converse_input(params: Mapping[str, Any]) -> Input:
    """Tools that Bedrock runs itself add results of a size that nobody knows before."""
    tools = _inside(params, "toolConfig").get("tools") or ()
    hosted = [tool for tool in tools if "systemTool" in tool]
    return Input({name: params.get(name) for name in CONVERSE_INPUT}, hosted, TOOL_PROMPT_BYTES if tools else 0)


def _invoke_input(raw: Any) -> tuple[Mapping[str, Any], Input]:
    """The JSON of the model's own shape; a file is left for botocore to read."""
    if not isinstance(raw, bytes | bytearray | str):
        return {}, Input({}, files=[raw])
    body = decoded(raw)
    return body, Input(body, framing=TOOL_PROMPT_BYTES if body.get("tools") else 0)


def _inside(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


PROVIDER: Final = BedrockProvider()
