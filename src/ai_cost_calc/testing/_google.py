"""Bodies of Google's Gemini API, which Vertex AI shares, written after https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.testing._call import event, json_reply, new_id, stream_reply
from ai_cost_calc.testing._openai import unit_vector
from ai_cost_calc.testing._tokens import count, pieces, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ai_cost_calc.testing._call import Call, Completion, Json
    from ai_cost_calc.testing._http import Reply

_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission."),
    404: ("NOT_FOUND", "The model is not found, or is not supported for this method."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota. Please try again later."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The deadline expired before the operation could complete."),
}
_THINKS: Final = re.compile(r"gemini-(?:2\.5|[3-9])(?!.*(?:image|lite|embedding|tts))")
"""Models that think unless they are told not to (ai.google.dev/gemini-api/docs/thinking)."""
_SIZE: Final = 768


def generate(call: Call) -> Reply:
    """Answer `POST /models/{model}:generateContent`."""
    done = _complete(call)
    return json_reply(_answer(call, new_id(""), done.text, usage_metadata(done.usage), _finish(done)))


def stream(call: Call) -> Reply:
    """Answer `POST /models/{model}:streamGenerateContent?alt=sse`."""
    return stream_reply([event(chunk) for chunk in _chunks(call, _complete(call))])


def count_tokens(call: Call) -> Reply:
    """Answer `POST /models/{model}:countTokens`, which is free."""
    tokens = call.exact.input_tokens if call.exact is not None else count(text_of(call.required("contents")))
    return json_reply({"totalTokens": tokens})


def embed(call: Call) -> Reply:
    """Answer `POST /models/{model}:embedContent` and `:batchEmbedContents`: a unit vector for every content."""
    batch = call.body.get("requests")
    texts = [text_of(one.get("content")) for one in (batch or [call.body])]
    tokens = call.exact.input_tokens if call.exact is not None else sum(map(count, texts))
    vectors = [{"values": unit_vector(text, call.body.get("outputDimensionality") or _SIZE)} for text in texts]
    found: Json = {"embedding": vectors[0]} if batch is None else {"embeddings": vectors}
    return json_reply(found | {"usageMetadata": {"promptTokenCount": tokens}})


def error(status: int, *, message: str | None) -> Json:
    """Return the body of an error; without a message, what the provider says with this status."""
    name, usual = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
    return {"error": {"code": status, "message": message or usual, "status": name}}


def usage_metadata(usage: Usage) -> Json:
    """Return usage in Google's shape, which leaves thoughts out of the candidates and tools out of the prompt."""
    prompt = usage.input_tokens - usage.input_tool_tokens
    shown: Json = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": usage.output_tokens - usage.output_reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    for name, tokens in (
        ("cachedContentTokenCount", usage.cache_read_tokens),
        ("thoughtsTokenCount", usage.output_reasoning_tokens),
        ("toolUsePromptTokenCount", usage.input_tool_tokens),
    ):
        shown |= {name: tokens} if tokens else {}
    return shown


def _complete(call: Call) -> Completion:
    asked: Mapping[str, Any] = call.body.get("generationConfig") or {}
    prompt = text_of([call.body.get("tools"), call.body.get("systemInstruction"), call.required("contents")])
    thinking = asked.get("thinkingConfig") or {}
    budget = thinking.get("thinkingBudget", thinking.get("thinking_budget"))  # the SDK writes it the second way
    schema = asked.get("responseJsonSchema") or _lower(asked.get("responseSchema"))
    return call.complete(
        prompt,
        asked.get("maxOutputTokens"),
        call.implicit_cache,
        reasons=_THINKS.match(call.model) is not None and budget != 0,
        schema=schema,
    )


def _lower(schema: Any) -> Any:
    """A schema in Google's own words, whose types are written in capitals."""
    if isinstance(schema, list):
        return [_lower(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    lowered = {name: _lower(inner) for name, inner in schema.items()}
    return lowered | {"type": schema["type"].lower()} if isinstance(schema.get("type"), str) else lowered


def _chunks(call: Call, done: Completion) -> Iterator[Json]:
    """One chunk a piece; their counts run up, and the last ones are final."""
    response_id, whole, said = new_id(""), usage_metadata(done.usage), 0
    *first, last = pieces(done.text) or [""]
    for piece in first:
        said += count(piece)
        yield _answer(call, response_id, piece, whole | {"candidatesTokenCount": said}, None)
    yield _answer(call, response_id, last, whole, _finish(done))


def _answer(call: Call, response_id: str, text: str, usage: Json, finish: str | None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    ended = {} if finish is None else {"finishReason": finish}
    return {
        "candidates": [candidate | ended],
        "usageMetadata": usage,
        "modelVersion": call.model,
        "responseId": response_id,
    }


def _finish(done: Completion) -> str:
    return "MAX_TOKENS" if done.truncated else "STOP"
