"""What xAI's gRPC API is asked for, and what its answers say about their usage.

Read in xai-sdk 1.21 (`sync/chat.py`, `sync/image.py`, `sync/video.py`, `proto/`).
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers import read_usage
from ai_cost_calc.providers._media import media_of
from ai_cost_calc.providers._request import Input, Request, Sending, Size, text, whole
from ai_cost_calc.providers.readers import message_fields

CHAT: Final = "grpc_chat"
IMAGE: Final = "grpc_image"
VIDEO: Final = "grpc_video"


# What is asked.


class Asked(Input):
    """The input of a chat, measured once somebody asks. What bytes do not bound counts as media."""

    __slots__ = ("_request",)

    def __init__(self, request: Any) -> None:
        super().__init__({})
        self._request = request

    def size(self) -> Size:
        """How much it is."""
        request, self._request = self._request, None
        if request is not None:
            self._size = _chat_size(request)
        return self._size

    def let_go(self) -> None:
        """Nobody will ask any more."""
        self._request = None


def _chat_size(request: Any) -> Size:
    """Bytes of the message as it is sent are at least those of its text; files are sent in it, or kept by xAI."""
    compaction = not hasattr(request, "messages")
    messages = request.input if compaction else request.messages
    media = [part for message in messages for part in message.content if not part.HasField("text")]
    unseen = 0
    if not compaction:
        unseen = sum(not tool.HasField("function") for tool in request.tools) + bool(request.previous_response_id)
        unseen += request.HasField("search_parameters")
    known = tuple(media_of(message_fields(part, inside=("image_url",))) for part in media if part.HasField("image_url"))
    return Size(request.ByteSize() - sum(part.ByteSize() for part in media), len(media) + unseen, known)


def chat_sending(request: Any, *, stream: bool = False, batch: bool = False) -> Sending:
    """What a chat is to the meter."""
    fields = message_fields(request, inside=())
    tier = str(fields.get("service_tier", "")).removeprefix("SERVICE_TIER_").lower()
    return _sending(
        request,
        CHAT,
        Asked(request),
        stream=stream,
        batch=batch,
        max_output_tokens=whole(fields.get("max_tokens")),
        choices=whole(fields.get("n")) or 1,
        service_tier=text("" if tier == "unspecified" else tier),
    )


def media_sending(request: Any, api: str, *, batch: bool = False) -> Sending:
    """What a request for pictures or a video is to the meter."""
    given = [field for field, _ in request.ListFields() if field.message_type is not None]
    choices = whole(message_fields(request, inside=()).get("n")) or 1
    return _sending(request, api, Input({"prompt": request.prompt}, given), choices=choices, batch=batch)


def _sending(request: Any, api: str, given: Input, **asked: Any) -> Sending:
    return Sending(Request(provider="x-ai", model=text(request.model), api=api, input=given, **asked), None, b"")


# What is answered.


def reading_of(api: str, message: Any, model: str | None = None) -> Reading:
    """What an answer says about its usage."""
    fields = message_fields(message)
    if api == IMAGE:
        fields["images"] = [{}] * len(message.images)
    return read_usage(fields, provider="x-ai", api=api, model=model)
