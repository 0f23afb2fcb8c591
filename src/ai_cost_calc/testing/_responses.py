"""Bodies of OpenAI's Responses API, written after https://developers.openai.com/api/reference/resources/responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ai_cost_calc.testing._call import Refused, event, json_reply, new_id, reasons, stream_reply, unix_now
from ai_cost_calc.testing._openai import service_tier
from ai_cost_calc.testing._tokens import pieces, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ai_cost_calc.core.usage import Usage
    from ai_cost_calc.testing._call import Call, Completion, Json
    from ai_cost_calc.testing._http import Reply


class Responses:
    """The Responses API of one simulator; it keeps what runs in the background until it is asked for."""

    def __init__(self) -> None:
        self._stored: dict[str, Json] = {}

    def clear(self) -> None:
        """Forget every response."""
        self._stored.clear()

    def create(self, call: Call) -> Reply:
        """Answer `POST /responses`, at once, streamed or in the background."""
        done = _complete(call)
        finished = _finished(call, done)
        if call.body.get("background") and not call.stream:
            self._stored[finished["id"]] = finished
            return json_reply({**finished, **_unfinished(call, "queued")})
        return stream_reply(list(_events(call, finished))) if call.stream else json_reply(finished)

    def retrieve(self, response_id: str) -> Reply:
        """Answer `GET /responses/{id}`: a background response is complete by the time it is asked for."""
        return json_reply(self._known(response_id))

    def cancel(self, response_id: str) -> Reply:
        """Answer `POST /responses/{id}/cancel`: what was produced until then is counted."""
        stored = {**self._known(response_id), "status": "cancelled"}
        self._stored[response_id] = stored
        return json_reply(stored)

    def _known(self, response_id: str) -> Json:
        if response_id not in self._stored:
            raise Refused(404, f"Response with id '{response_id}' not found.", code="response_not_found")
        return self._stored[response_id]


def _complete(call: Call) -> Completion:
    body = call.body
    prompt = text_of([body.get("tools"), body.get("instructions"), body.get("text"), call.required("input")])
    effort = (body.get("reasoning") or {}).get("effort")
    thinks = reasons(call.model) and effort not in {"none", "minimal"}
    form = (body.get("text") or {}).get("format") or {}
    schema = form["schema"] if form.get("type") == "json_schema" else None
    return call.complete(prompt, body.get("max_output_tokens"), call.implicit_cache, reasons=thinks, schema=schema)


def _finished(call: Call, done: Completion) -> Json:
    status = "incomplete" if done.truncated else "completed"
    body = call.body
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": unix_now(),
        "status": status,
        "background": body.get("background") or False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if done.truncated else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": call.model,
        "output": _output(done, status),
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": service_tier(body),
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage_body(done.usage),
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _output(done: Completion, status: str) -> list[Json]:
    items: list[Json] = []
    if done.usage.output_reasoning_tokens:
        items.append({"id": new_id("rs_"), "type": "reasoning", "summary": []})
    for _ in range(done.usage.web_searches):
        action = {"type": "search", "query": "simulated"}
        items.append({"id": new_id("ws_"), "type": "web_search_call", "status": "completed", "action": action})
    part = {"type": "output_text", "text": done.text, "annotations": [], "logprobs": []}
    message = {"id": new_id("msg_"), "type": "message", "role": "assistant", "status": status, "content": [part]}
    return [*items, message]


def _unfinished(call: Call, status: str) -> Json:
    tier = call.body.get("service_tier") or "auto"
    return {"status": status, "output": [], "usage": None, "incomplete_details": None, "service_tier": tier}


def _events(call: Call, finished: Json) -> Iterator[bytes]:
    for number, (kind, data) in enumerate(_happenings(call, finished)):
        yield event({"type": kind, "sequence_number": number, **data}, kind)


def _happenings(call: Call, finished: Json) -> Iterator[tuple[str, Json]]:
    started = {**finished, **_unfinished(call, "in_progress")}
    yield "response.created", {"response": started}
    yield "response.in_progress", {"response": started}
    for index, item in enumerate(finished["output"]):
        if item["type"] == "message":
            yield from _message(item, index)
        else:
            yield "response.output_item.added", {"output_index": index, "item": item}
            yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{finished['status']}", {"response": finished}


def _message(item: Json, index: int) -> Iterator[tuple[str, Json]]:
    part: dict[str, Any] = item["content"][0]
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    empty = {**item, "status": "in_progress", "content": []}
    yield "response.output_item.added", {"output_index": index, "item": empty}
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}
    yield "response.output_item.done", {"output_index": index, "item": item}


def usage_body(usage: Usage) -> Json:
    """Return usage in the shape of the Responses API."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.output_reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
