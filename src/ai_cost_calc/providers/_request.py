"""What is known of a request before it is sent: sizes, limits, names. Its content is looked at and never kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

import msgspec

from ai_cost_calc.core.media import Media
from ai_cost_calc.core.media_tokens import media_tokens
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.text import most_bytes
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.ports.providers import CallRequest, RunningCall
from ai_cost_calc.providers._batches import Place
from ai_cost_calc.providers._media import is_media, media_in, media_of, pictures

BYTES_PER_TOKEN: Final = 4
"""What a token of text takes on average, for usage that a cut stream never reported (OpenAI, "What are tokens")."""
MEDIA_TOKENS: Final = 1_000
"""What an image, file or clip is taken to be when its tokens were never reported: about one image in high detail."""
MOST_VALUES: Final = 1_000_000
"""A body with more values than this is not looked through to its end: no request may take seconds to measure."""

NOT_INPUT: Final = frozenset(
    {
        "frequency_penalty", "logit_bias", "max_completion_tokens", "max_output_tokens", "max_tokens", "metadata",
        "modalities", "model", "n", "presence_penalty", "seed", "stop", "stop_sequences", "stream", "stream_options",
        "temperature", "thinking", "top_p", "user",
    }
)  # fmt: skip
"""Parameters that no model reads."""
STORED: Final = frozenset(
    {
        "cachedContent", "cached_content", "container", "conversation", "previous_interaction_id",
        "previous_response_id",
    }
)  # fmt: skip
"""References to input that the provider keeps, so that its size is not known here; each counts as media."""
OWN_TOOLS: Final = frozenset({None, "custom", "function"})
"""`type` of the tools that the caller runs, in OpenAI's and Anthropic's requests."""
TOOL_PROMPT_BYTES: Final = 2_400
"""What Anthropic adds before the tools of a request, at the most: 530 tokens (docs.claude.com, "Tool use", pricing)."""
HOSTED_FIELDS: Final = frozenset(
    {
        "codeExecution", "computerUse", "enterpriseWebSearch", "fileSearch", "googleMaps", "googleSearch",
        "googleSearchRetrieval", "retrieval", "urlContext",
    }
)  # fmt: skip
"""Fields that name the tools which Google runs (google-genai 3.6, `_Tool_to_mldev`, `_Tool_to_vertex`)."""


class Size(msgspec.Struct, frozen=True):
    """How much input a request has.

    Attributes:
        text_bytes: UTF-8 bytes of its text, names of fields included, which makes up for the tokens of its framing.
        media_items: parts whose tokens bytes do not bound.
        media: what is known of those of them that are images, files or clips.
    """

    text_bytes: int = 0
    media_items: int = 0
    media: tuple[Media, ...] = ()


class Input:
    """The input of a request, measured once somebody asks: a call that is estimated from earlier ones never needs it.

    Args:
        body: as `body_of` gives it; let go of once it is measured, or once the SDK has sent it.
        files: what is sent beside it, or how many.
        framing: bytes that stand for what the provider adds by itself.
    """

    __slots__ = ("_body", "_files", "_framing", "_size")

    def __init__(self, body: Mapping[str, Any], files: Any = None, framing: int = 0) -> None:
        self._body: Mapping[str, Any] | None = body
        self._files = files if isinstance(files, int) else len(files) if files else 0
        self._framing = framing
        self._size = Size()

    def size(self) -> Size:
        """How much it is."""
        body, self._body = self._body, None
        if body is not None:
            found = size_of(body)
            self._size = Size(found.text_bytes + self._framing, found.media_items + self._files, found.media)
        return self._size

    def let_go(self) -> None:
        """Nobody will ask any more."""
        self._body = None


class Request(CallRequest, frozen=True, kw_only=True):
    """What is known of a call before it is made; its sizes are measured when they are asked for."""

    input: Input

    @property  # type: ignore[misc]  # a property instead of a field: msgspec fills fields by place, not by name
    def input_bytes(self) -> int:
        """See `CallRequest`."""
        return self.input.size().text_bytes

    @property  # type: ignore[misc]  # likewise
    def media_items(self) -> int:
        """See `CallRequest`."""
        return self.input.size().media_items

    @property  # type: ignore[misc]  # likewise
    def media(self) -> tuple[Media, ...]:
        """See `CallRequest`."""
        return self.input.size().media


class Sending(msgspec.Struct, frozen=True):
    """One call of a client, about to be made.

    Attributes:
        request: what the meter decides on.
        options: what the SDK is to send.
        path: part of the URL path that tells its responses from those of a token refresh on the same connection.
        by_proxy: whether the host is none that is known, so that a proxy may state the cost in a header.
        hides_usage: whether `options` asks for usage that the caller did not ask for.
        background: whether the answer is made after the response; its usage comes with another request.
        polls: whether this only looks for an answer made earlier: free, and never refused.
        batch: what it asks for, where it is about a batch.
        follow: makes what waits for the answer of a call (given its `RunningCall`), or what a look for one finds (given
            the `Meter`), where that is not as for OpenAI's responses.
    """

    request: CallRequest | Request
    options: Any
    path: bytes
    by_proxy: bool = False
    hides_usage: bool = False
    background: bool = False
    polls: bool = False
    batch: Place | None = None
    follow: Callable[[Any], RunningCall] | None = None


@lru_cache(maxsize=256)
def path_of(url: str) -> bytes:
    """The path of a request's URL, relative as SDKs give it or absolute, without slashes at its ends or a query."""
    path = url.partition("?")[0]
    if "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return path.strip("/").encode()


def body_of(options: Any) -> Mapping[str, Any]:
    """The JSON that an SDK is about to send: the request's own, with the caller's `extra_body` over it."""
    body, extra = options.json_data, options.extra_json
    if extra is None and type(body) is dict:
        return body
    if isinstance(body, Mapping):
        return {**body, **extra} if isinstance(extra, Mapping) else body
    if isinstance(extra, Mapping):
        return extra
    return decoded(options.content if body is None else body)


def decoded(raw: object) -> Mapping[str, Any]:
    """JSON that was encoded already; anything else has nothing to say."""
    if not isinstance(raw, bytes | bytearray | str):
        return {}
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def size_of(body: Mapping[str, Any]) -> Size:
    """Measure the input in a request's body. Iterators in it are not touched: the request must find them whole."""
    stored = sum(1 for name in STORED if body.get(name) is not None)
    media: list[Media] = []
    size = measured(_values({name: value for name, value in body.items() if name not in NOT_INPUT}, media))
    items = size.media_items + stored + _hosted(body.get("tools")) + len(media)
    return Size(size.text_bytes, items, (*size.media, *media))


def _values(part: dict[Any, Any], media: list[Media]) -> list[Any]:
    """The values of a part, without the images that it has beside its text, which are added to `media`."""
    if not ("images" in part and (found := pictures(part["images"]))):
        return list(part.values())
    media += found
    return [value for name, value in part.items() if name != "images"]


def _hosted(tools: Any) -> int:
    """How many tools the provider runs itself, whose results become input of a size that nobody knows before."""
    given = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list | tuple) else []
    return sum(tool.get("type") not in OWN_TOOLS or not HOSTED_FIELDS.isdisjoint(tool) for tool in given)


def measured(waiting: list[Any], weigh: Callable[[str], int] = most_bytes) -> Size:
    """Measure values, however deep, without recursion. What is neither JSON nor an SDK's model counts as media.

    Args:
        waiting: the values; the list is used up.
        weigh: how many bytes a text counts for.
    """
    size = 0
    media: list[Media] = []
    for _ in repeat(None, MOST_VALUES):
        if not waiting:
            return Size(size, len(media), tuple(media))
        value = waiting.pop()
        kind = type(value)
        if kind is str:
            size += weigh(value)
        elif kind is dict:
            if is_media(value):
                media.append(media_of(value))
            else:
                waiting += _values(value, media) if "images" in value else value.values()
                waiting.append("".join(map(str, value)))
        elif kind is list or kind is tuple:
            waiting += value
        elif value is None or kind is bool or kind is int or kind is float:
            size += 1
        elif (inside := _inside(value)) is not None:
            waiting.append(inside)
        else:
            media.append(media_in(value))
    return Size(size, len(media) + 1, tuple(media))


def _inside(value: object) -> object | None:
    """What a less common type holds: a mapping, a string's subclass, a model of the SDK that the caller passes back."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return dict(vars(value)) if hasattr(value, "model_fields_set") else None


def whole(value: object) -> int | None:
    """A limit that the caller set, where it is a number that means one."""
    return value if type(value) is int and value > 0 else None


def text(value: object) -> str | None:
    """A name that the caller gave, where it is one."""
    return str(value) if isinstance(value, str) and value else None


def estimated(reading: Reading, sending: Sending, output_bytes: int) -> Reading:
    """Complete a reading that was cut short: what was reported stands, what was not is estimated from bytes.

    Args:
        reading: what the response said before it was cut; Anthropic's input is exact by then, OpenAI's unknown.
        output_bytes: UTF-8 bytes of answer text that came.
    """
    usage = reading.usage
    if (usage is not None and reading.complete) or sending.background or sending.polls:
        return reading
    request = sending.request
    said = -(-output_bytes // BYTES_PER_TOKEN)
    if usage is None:
        asked = -(-request.input_bytes // BYTES_PER_TOKEN) + _media_tokens(request)
        usage = Usage(input_tokens=asked, output_tokens=said)
    else:
        usage = msgspec.structs.replace(usage, output_tokens=max(usage.output_tokens, said))
    return msgspec.structs.replace(
        reading, usage=usage, model=reading.model or request.model, complete=False, estimated=True
    )


def _media_tokens(request: CallRequest) -> int:
    """What the images, files and clips of a request probably came to."""
    known = [found.expected for media in request.media if (found := media_tokens(media, request.model)) is not None]
    return sum(known) + (request.media_items - len(known)) * MEDIA_TOKENS
