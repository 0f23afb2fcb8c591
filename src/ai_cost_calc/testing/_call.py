"""One simulated call as the bodies see it, and the pieces that every provider's bodies share."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.testing._http import Reply
from ai_cost_calc.testing._schema import example
from ai_cost_calc.testing._tokens import CACHE_BLOCK_TOKENS, MIN_CACHED_TOKENS, TOKEN_BYTES, blocks, count, filler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ai_cost_calc.testing._tokens import PromptCache, Sampler

Json = dict[str, Any]

SNAPSHOTS: Final[Mapping[str, str]] = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4": "gpt-4-0613",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5.2": "gpt-5.2-2025-12-11",
    "gpt-5.5": "gpt-5.5-2026-04-23",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "text-embedding-ada-002": "text-embedding-ada-002-v2",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
}
"""The snapshot behind an alias, as the providers' model pages list them; every other name answers as it is."""

_REASONING: Final = re.compile(r"o\d|gpt-5(?!.*chat)")
_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Completion(NamedTuple):
    """What the model came up with."""

    text: str
    usage: Usage
    truncated: bool


class Refused(Exception):
    """The provider would answer this request with an error; the message is the provider's."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a model.

    Attributes:
        body: the request's JSON.
        model: the snapshot that answers.
        exact: the usage to report, when a test asked for one.
        text: the answer to give, when a test asked for one.
    """

    body: Json
    model: str
    azure: bool
    sampler: Sampler
    cache: PromptCache
    exact: Usage | None = None
    text: str | None = None

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return self.body.get("stream") is True

    def required(self, name: str) -> Any:
        """Return a field that the provider insists on."""
        if self.body.get(name) is None:
            raise Refused(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
        return self.body[name]

    def implicit_cache(self, prompt: str) -> Usage:
        """Count the input as OpenAI does: a long prefix that was there before is read from the cache by itself."""
        known = self.cache.longest_known(self.model, blocks(prompt)) * CACHE_BLOCK_TOKENS
        return Usage(input_tokens=count(prompt), cache_read_tokens=known if known >= MIN_CACHED_TOKENS else 0)

    def complete(
        self,
        prompt: str,
        cap: int | None,
        count_input: Callable[[str], Usage],
        *,
        reasons: bool = False,
        schema: Json | None = None,
        copies: int = 1,
    ) -> Completion:
        """Make up the answer, or `copies` of it: no longer than `cap` tokens each, fitting `schema`."""
        text = self.text if schema is None or self.text is not None else _encode(example(schema))
        if self.exact is not None:
            visible = self.exact.output_tokens - self.exact.output_reasoning_tokens
            return Completion(filler(visible) if text is None else text, self.exact, truncated=False)
        visible, thought = self.sampler.draw(self.model, prompt)
        thought = thought if reasons else 0
        visible = visible if text is None else count(text)
        output = min(visible + thought, visible + thought if cap is None else cap)
        thought = min(thought, output)
        shown = filler(visible) if text is None else text
        usage = Usage(output_tokens=output * copies, output_reasoning_tokens=thought * copies) + count_input(prompt)
        return Completion(shown[: (output - thought) * TOKEN_BYTES], usage, truncated=output < visible + thought)


def json_reply(body: Json, *, headers: Mapping[str, str] | None = None, status: int = 200) -> Reply:
    """Return a body as a plain answer."""
    return Reply(parts=(_encode(body).encode("utf-8", "replace"),), status=status, headers=headers or {})


def stream_reply(parts: list[bytes], headers: Mapping[str, str] | None = None) -> Reply:
    """Return server-sent events as a streamed answer."""
    return Reply(
        parts=tuple(parts), content_type="text/event-stream; charset=utf-8", streamed=True, headers=headers or {}
    )


def event(data: Json, name: str | None = None) -> bytes:
    """Return one server-sent event."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {_encode(data)}\n\n".encode("utf-8", "replace")


def snapshot(model: str) -> str:
    """Return the name under which a model answers."""
    return SNAPSHOTS.get(model, model)


def reasons(model: str) -> bool:
    """Whether an OpenAI model thinks before it answers."""
    return _REASONING.match(model) is not None


def new_id(prefix: str) -> str:
    """Return an id that no other answer has, not even of another simulator."""
    return prefix + secrets.token_hex(12)


def unix_now() -> int:
    """Return when the answer was made, in unix seconds."""
    return int(time.time())
