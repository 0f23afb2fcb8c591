"""Bodies of OpenAI's Chat Completions, Completions, Embeddings and Models APIs, and of Azure OpenAI.

Written after https://developers.openai.com/api/reference and https://learn.microsoft.com/azure/ai-foundry/openai/reference.
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import TYPE_CHECKING, Any, Final

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.testing._call import SNAPSHOTS, event, json_reply, new_id, reasons, stream_reply, unix_now
from ai_cost_calc.testing._tokens import count, pieces, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ai_cost_calc.testing._call import Call, Completion, Json
    from ai_cost_calc.testing._http import Reply

_DONE: Final = b"data: [DONE]\n\n"
_DIMENSIONS: Final[Mapping[str, int]] = {"text-embedding-3-large": 3_072}
_SAFE: Final = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_ERRORS: Final[Mapping[int, tuple[str, str | None, str]]] = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}


def chat(call: Call) -> Reply:
    """Answer `POST /chat/completions`."""
    prompt = text_of([call.body.get("tools"), call.body.get("response_format"), call.required("messages")])
    cap = call.body.get("max_completion_tokens") or call.body.get("max_tokens")
    copies = call.body.get("n") or 1
    thinks = reasons(call.model) and call.body.get("reasoning_effort") not in {"none", "minimal"}
    schema = _chat_schema(call.body.get("response_format") or {})
    done = call.complete(prompt, cap, call.implicit_cache, reasons=thinks, schema=schema, copies=copies)
    frame: Json = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion.chunk" if call.stream else "chat.completion",
        "created": unix_now(),
        "model": call.model,
        "service_tier": service_tier(call.body),
        "system_fingerprint": "fp_simulated",
    }
    if call.stream:
        return stream_reply([*_chat_events(call, frame, done, copies), _DONE])
    choices = [_chat_choice(call, done, index) for index in range(copies)]
    extra = {"prompt_filter_results": _prompt_filter()} if call.azure else {}
    return json_reply({**frame, "choices": choices, "usage": chat_usage(done.usage), **extra})


def _chat_choice(call: Call, done: Completion, index: int) -> Json:
    message: Json = {"role": "assistant", "content": done.text, "refusal": None, "annotations": []}
    filtered = {"content_filter_results": _SAFE} if call.azure else {}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(done), **filtered}


def _chat_events(call: Call, frame: Json, done: Completion, copies: int) -> Iterator[bytes]:
    # The real API sends a null usage on every chunk once the last one is to carry it, and no such key otherwise.
    counted = (call.body.get("stream_options") or {}).get("include_usage") is True
    frame = {**frame, "usage": None} if counted else frame
    if call.azure:
        blank: Json = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        yield event({**blank, "prompt_filter_results": _prompt_filter()})
    for index in range(copies):
        for delta, finish in _deltas(done):
            choice: Json = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            filtered = {"content_filter_results": _SAFE} if call.azure else {}
            yield event({**frame, "choices": [{**choice, **filtered}]})
    if counted:
        yield event({**frame, "choices": [], "usage": chat_usage(done.usage)})


def _deltas(done: Completion) -> Iterator[tuple[Json, str | None]]:
    yield {"role": "assistant", "content": "", "refusal": None}, None
    for piece in pieces(done.text):
        yield {"content": piece}, None
    yield {}, _finish(done)


def completions(call: Call) -> Reply:
    """Answer `POST /completions`, the API before chat."""
    prompt = text_of(call.required("prompt"))
    done = call.complete(prompt, call.body.get("max_tokens") or 16, lambda text: Usage(input_tokens=count(text)))
    usage = done.usage
    frame: Json = {"id": new_id("cmpl-"), "object": "text_completion", "created": unix_now(), "model": call.model}
    counts = {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens}
    counts["total_tokens"] = usage.total_tokens
    if not call.stream:
        return json_reply({**frame, "choices": [_text_choice(done.text, _finish(done))], "usage": counts})
    counted = (call.body.get("stream_options") or {}).get("include_usage") is True
    frame = {**frame, "usage": None} if counted else frame
    events = [event({**frame, "choices": [_text_choice(piece, None)]}) for piece in pieces(done.text)]
    events.append(event({**frame, "choices": [_text_choice("", _finish(done))]}))
    if counted:
        events.append(event({**frame, "choices": [], "usage": counts}))
    return stream_reply([*events, _DONE])


def _text_choice(text: str, finish: str | None) -> Json:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}


def embeddings(call: Call) -> Reply:
    """Answer `POST /embeddings`: a unit vector for every input, equal for equal texts."""
    given = call.required("input")
    inputs = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
    tokens = call.exact.input_tokens if call.exact is not None else sum(_embedded_tokens(one) for one in inputs)
    size = call.body.get("dimensions") or _DIMENSIONS.get(call.model, 1_536)
    packed = call.body.get("encoding_format") == "base64"
    data = []
    for index, one in enumerate(inputs):
        vector = unit_vector(one, size)
        shown = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() if packed else vector
        data.append({"object": "embedding", "index": index, "embedding": shown})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_reply({"object": "list", "data": data, "model": call.model, "usage": usage})


def _embedded_tokens(one: str | list[int]) -> int:
    return count(one) if isinstance(one, str) else len(one)


def unit_vector(one: str | list[int], size: int) -> tuple[float, ...]:
    """Return a vector of length one, as exact as floats of 32 bits are, which APIs pack it in."""
    noise = hashlib.shake_256(str(one).encode("utf-8", "surrogatepass")).digest(size)
    length = math.sqrt(sum((byte - 127.5) ** 2 for byte in noise))
    return struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *((byte - 127.5) / length for byte in noise)))


def models() -> Reply:
    """Answer `GET /models`."""
    names = [alias for alias in SNAPSHOTS if not alias.startswith("claude")]
    listed = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "system"} for name in names]
    return json_reply({"object": "list", "data": listed})


def error(status: int, *, azure: bool, message: str | None, code: str | None, param: str | None) -> Json:
    """Return the body of an error; what is not given is what the provider says with this status."""
    kind, usual_code, usual_message = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
    if azure and status in {401, 429}:
        return {"error": {"code": str(status), "message": message or usual_message}}
    return {"error": {"message": message or usual_message, "type": kind, "param": param, "code": code or usual_code}}


def chat_usage(usage: Usage) -> Json:
    """Return usage in the shape of Chat Completions."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def service_tier(body: Mapping[str, Any]) -> str:
    """Return the tier that served the request: `auto` becomes `default`, `fast` is shown as `priority`."""
    asked = body.get("service_tier") or "auto"
    return {"auto": "default", "fast": "priority"}.get(asked, asked)


def _chat_schema(response_format: Mapping[str, Any]) -> Json | None:
    if response_format.get("type") == "json_schema":
        schema: Json = response_format["json_schema"]["schema"]
        return schema
    return {"type": "object"} if response_format.get("type") == "json_object" else None


def _prompt_filter() -> list[Json]:
    return [{"prompt_index": 0, "content_filter_results": _SAFE}]


def _finish(done: Completion) -> str:
    return "length" if done.truncated else "stop"
