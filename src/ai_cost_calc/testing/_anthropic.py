"""Bodies of Anthropic's Messages API, written after https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.testing._call import SNAPSHOTS, Refused, event, json_reply, new_id, stream_reply
from ai_cost_calc.testing._tokens import MIN_CACHED_TOKENS, count, pieces, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ai_cost_calc.testing._call import Call, Completion, Json
    from ai_cost_calc.testing._http import Reply

_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    413: ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    429: ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}
_AT_END: Final = frozenset({"output_tokens_details", "server_tool_use"})
"""Counts that a stream only knows when it ends."""
_IN_DELTA: Final = _AT_END | {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"}
"""Counts that the end of a stream reports, cumulatively."""


class _Block(NamedTuple):
    """A piece of the prompt, and the lifetime of the cache breakpoint behind it."""

    text: str
    ttl: str | None


def messages(call: Call) -> Reply:
    """Answer `POST /v1/messages`."""
    cap = _required(call, "max_tokens")
    blocks = _blocks(call)
    prompt = "\n".join(block.text for block in blocks)
    done = call.complete(prompt, cap, lambda _: _input(call, blocks), reasons=_thinks(call), schema=_schema(call))
    message = {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": _content(done),
        "stop_reason": "max_tokens" if done.truncated else "end_turn",
        "stop_sequence": None,
        "usage": usage_body(done.usage, call.body),
    }
    return stream_reply(list(_events(message))) if call.stream else json_reply(message)


def count_tokens(call: Call) -> Reply:
    """Answer `POST /v1/messages/count_tokens`, which is free."""
    tokens = call.exact.input_tokens if call.exact is not None else sum(count(block.text) for block in _blocks(call))
    return json_reply({"input_tokens": tokens})


def models() -> Reply:
    """Answer `GET /v1/models`."""
    names = [name for name in SNAPSHOTS.values() if name.startswith("claude")]
    listed = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2025-01-01T00:00:00Z"} for name in names
    ]
    return json_reply({"data": listed, "has_more": False, "first_id": names[0], "last_id": names[-1]})


def error(status: int, *, message: str | None) -> Json:
    """Return the body of an error; without a message, what the provider says with this status."""
    kind, usual = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
    return {"type": "error", "error": {"type": kind, "message": message or usual}, "request_id": new_id("req_")}


def usage_body(usage: Usage, body: Mapping[str, Any]) -> Json:
    """Return usage in Anthropic's shape, which counts cached tokens beside `input_tokens`."""
    written_1h = usage.cache_write_1h_tokens
    shown: Json = {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - written_1h,
            "ephemeral_1h_input_tokens": written_1h,
        },
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
        "inference_geo": body.get("inference_geo") or "global",
    }
    if usage.output_reasoning_tokens:
        shown["output_tokens_details"] = {"thinking_tokens": usage.output_reasoning_tokens}
    if usage.web_searches or usage.web_fetches:
        used = {"web_search_requests": usage.web_searches, "web_fetch_requests": usage.web_fetches}
        shown["server_tool_use"] = used
    if body.get("speed"):
        shown["speed"] = body["speed"]
    return shown


def _required(call: Call, name: str) -> Any:
    if call.body.get(name) is None:
        raise Refused(400, f"{name}: Field required")
    return call.body[name]


def _thinks(call: Call) -> bool:
    return (call.body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}


def _schema(call: Call) -> Json | None:
    wanted = call.body.get("output_config") or {}
    form = wanted.get("format") or call.body.get("output_format") or {}
    return form.get("schema")


def _content(done: Completion) -> list[Json]:
    text = {"type": "text", "text": done.text}
    if not done.usage.output_reasoning_tokens:
        return [text]
    return [{"type": "thinking", "thinking": "Thinking.", "signature": "c2ltdWxhdGVk"}, text]


def _blocks(call: Call) -> list[_Block]:
    """List the prompt in the order in which Anthropic caches: tools, system, messages."""
    values = [*(call.body.get("tools") or []), *_listed(call.body.get("system"))]
    for message in _required(call, "messages"):
        values += [message["role"], *_listed(message["content"])]
    blocks = [_block(value) for value in values]
    if blocks and call.body.get("cache_control"):
        blocks[-1] = blocks[-1]._replace(ttl=call.body["cache_control"].get("ttl") or "5m")
    return blocks


def _listed(content: object) -> list[Any]:
    return content if isinstance(content, list) else [content] if content else []


def _block(value: Any) -> _Block:
    control = value.get("cache_control") if isinstance(value, dict) else None
    if not control:
        return _Block(text_of(value), None)
    content = {name: inner for name, inner in value.items() if name != "cache_control"}
    return _Block(text_of(content), control.get("ttl") or "5m")


def _input(call: Call, blocks: list[_Block]) -> Usage:
    """Count the input: read the longest prefix that an earlier breakpoint kept, write the rest up to the last one."""
    sizes = [count(block.text) for block in blocks]
    # A breakpoint that comes too early is not an error to Anthropic, it is ignored.
    reached = enumerate(accumulate(sizes))
    marks = [index for index, tokens in reached if blocks[index].ttl and tokens >= MIN_CACHED_TOKENS]
    texts = [block.text.encode("utf-8", "surrogatepass") for block in blocks[: marks[-1] + 1]] if marks else []
    known = call.cache.longest_known(call.model, texts, marks)
    written = {"5m": 0, "1h": 0}
    start = known
    for mark in marks:
        written["1h" if blocks[mark].ttl == "1h" else "5m"] += sum(sizes[start : mark + 1])
        start = max(start, mark + 1)
    return Usage(
        input_tokens=sum(sizes),
        cache_read_tokens=sum(sizes[:known]),
        cache_write_tokens=sum(written.values()),
        cache_write_5m_tokens=written["5m"],
        cache_write_1h_tokens=written["1h"],
    )


def _events(message: Json) -> Iterator[bytes]:
    usage = message["usage"]
    at_start = {name: value for name, value in usage.items() if name not in _AT_END}
    started = {**message, "content": [], "stop_reason": None, "usage": {**at_start, "output_tokens": 1}}
    yield _event("message_start", message=started)
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block)
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    counts = {name: value for name, value in usage.items() if name in _IN_DELTA}
    yield _event("message_delta", delta=ended, usage=counts)
    yield _event("message_stop")


def _block_events(index: int, block: Json) -> Iterator[bytes]:
    if block["type"] == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        empty = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    yield _event("content_block_start", index=index, content_block=empty)
    if index == 0:
        yield _event("ping")
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _event(kind: str, **data: object) -> bytes:
    return event({"type": kind, **data}, kind)
