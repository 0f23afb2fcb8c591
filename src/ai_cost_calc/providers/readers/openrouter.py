"""OpenRouter: OpenAI's shapes, with what each call cost in `usage.cost`.

Source: openrouter.ai/docs, "Usage accounting": `cost` is the total charged to the account in credits of one US dollar,
fees for web search and plugins included.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES, Message, MessageEvent, MessageUsage, read_message
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Source, Vendor, usd
from ai_cost_calc.providers.readers._openai_shape import CHAT, Chat, ChatChunk, ChatUsage, chat_counts, chat_reading
from ai_cost_calc.providers.readers._rerank_shape import RERANK
from ai_cost_calc.providers.readers._responses_shape import (
    RESPONSES,
    Response,
    ResponseEvent,
    ResponseUsage,
    response_counts,
    response_reading,
)


class RoutedUsage(ChatUsage):
    """`usage` with the cost."""

    cost: Decimal | None = None


class RoutedChat(Chat):
    """A completion, embeddings or images."""

    usage: RoutedUsage | None = None


class RoutedChunk(ChatChunk):
    """One chunk of a streamed completion."""

    usage: RoutedUsage | None = None


class RoutedResponseUsage(ResponseUsage):
    """`usage` of a response with the cost."""

    cost: Decimal | None = None


class RoutedResponse(Response):
    """A response."""

    usage: RoutedResponseUsage | None = None


class RoutedEvent(ResponseEvent):
    """One event of a streamed response."""

    response: RoutedResponse | None = None


class RoutedMessageUsage(MessageUsage):
    """`usage` of a message with the cost."""

    cost: Decimal | None = None


class RoutedMessage(Message):
    """A message."""

    usage: RoutedMessageUsage | None = None


class RoutedMessageEvent(MessageEvent):
    """One event of a streamed message."""

    message: RoutedMessage | None = None
    usage: RoutedMessageUsage | None = None


def read_routed_message(wire: Any, source: Source) -> Reading:
    """Read a message."""
    return structs.replace(read_message(wire, source), provider_cost_usd=usd(wire.usage and wire.usage.cost))


def read_routed_chat(wire: Any, source: Source) -> Reading:
    """Read a completion, embeddings or images."""
    usage = wire.usage
    return chat_reading(wire, source, usage and chat_counts(usage), usd(usage and usage.cost))


def read_routed_response(wire: Any, source: Source) -> Reading:
    """Read a response; its searches are part of the cost."""
    usage = wire.usage
    return response_reading(wire, source, usage and response_counts(usage), usd(usage and usage.cost))


ROUTED_CHAT: Final = replace(CHAT, wire=RoutedChat, event=RoutedChunk, read=read_routed_chat)

OPENROUTER: Final = Vendor(
    name="openrouter",
    hosts=(r"(?:api\.)?openrouter\.ai",),
    paths=((r"/rerank$", "rerank"), (r"/images$", "images")),
    flavours={
        **COMPATIBLE,
        "chat": ROUTED_CHAT,
        "completions": ROUTED_CHAT,
        "embeddings": ROUTED_CHAT,
        "images": ROUTED_CHAT,
        "rerank": RERANK,
        "messages": replace(MESSAGES, wire=RoutedMessage, event=RoutedMessageEvent, read=read_routed_message),
        "responses": replace(RESPONSES, wire=RoutedResponse, event=RoutedEvent, read=read_routed_response),
    },
)
