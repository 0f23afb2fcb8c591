"""OpenRouter: OpenAI's shapes, with what each call cost in `usage.cost`.

Source: openrouter.ai/docs, "Usage accounting": `cost` is the total charged to the account in credits of one US dollar,
fees for web search and plugins included. With a key of one's own (`is_byok`) that is OpenRouter's fee alone; what the
provider charges to that key is `cost_details.upstream_inference_cost`.
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
from ai_cost_calc.providers.readers._wire import Wire


class CostDetails(Wire):
    """What the cost is made of."""

    upstream_inference_cost: Decimal | None = None


class RoutedUsage(ChatUsage):
    """`usage` with the cost."""

    cost: Decimal | None = None
    is_byok: bool | None = None
    cost_details: CostDetails | None = None


class RoutedChat(Chat):
    """A completion, embeddings or images."""

    usage: RoutedUsage | None = None


class RoutedChunk(ChatChunk):
    """One chunk of a streamed completion."""

    usage: RoutedUsage | None = None


class RoutedResponseUsage(ResponseUsage):
    """`usage` of a response with the cost."""

    cost: Decimal | None = None
    is_byok: bool | None = None
    cost_details: CostDetails | None = None


class RoutedResponse(Response):
    """A response."""

    usage: RoutedResponseUsage | None = None


class RoutedEvent(ResponseEvent):
    """One event of a streamed response."""

    response: RoutedResponse | None = None


class RoutedMessageUsage(MessageUsage):
    """`usage` of a message with the cost."""

    cost: Decimal | None = None
    is_byok: bool | None = None
    cost_details: CostDetails | None = None


class RoutedMessage(Message):
    """A message."""

    usage: RoutedMessageUsage | None = None


class RoutedMessageEvent(MessageEvent):
    """One event of a streamed message."""

    message: RoutedMessage | None = None
    usage: RoutedMessageUsage | None = None


def stated(usage: RoutedUsage | RoutedResponseUsage | RoutedMessageUsage | None) -> Decimal | None:
    """What was charged, by OpenRouter and to one's own key; `None` where it is not all said."""
    cost = usd(usage and usage.cost)
    if usage is None or cost is None or not usage.is_byok:
        return cost
    upstream = usd(usage.cost_details and usage.cost_details.upstream_inference_cost)
    return None if upstream is None else cost + upstream


def read_routed_message(wire: Any, source: Source) -> Reading:
    """Read a message."""
    return structs.replace(read_message(wire, source), provider_cost_usd=stated(wire.usage))


def read_routed_chat(wire: Any, source: Source) -> Reading:
    """Read a completion, embeddings or images."""
    usage = wire.usage
    return chat_reading(wire, source, usage and chat_counts(usage), stated(usage))


def read_routed_response(wire: Any, source: Source) -> Reading:
    """Read a response; its searches are part of the cost."""
    usage = wire.usage
    return response_reading(wire, source, usage and response_counts(usage), stated(usage))


ROUTED_CHAT: Final = replace(CHAT, wire=RoutedChat, event=RoutedChunk, read=read_routed_chat)
ROUTED_RESPONSES: Final = replace(RESPONSES, wire=RoutedResponse, event=RoutedEvent, read=read_routed_response)

OPENROUTER: Final = Vendor(
    name="openrouter",
    hosts=(r"(?:api\.)?openrouter\.ai",),
    paths=((r"/rerank$", "rerank"), (r"/images$", "images"), (r"/(?:decisions|systemone)$", "decisions")),
    flavours={
        **COMPATIBLE,
        "chat": ROUTED_CHAT,
        "completions": ROUTED_CHAT,
        "embeddings": ROUTED_CHAT,
        "images": ROUTED_CHAT,
        "rerank": RERANK,
        "messages": replace(MESSAGES, wire=RoutedMessage, event=RoutedMessageEvent, read=read_routed_message),
        "responses": ROUTED_RESPONSES,
        "decisions": ROUTED_RESPONSES,
    },
)
