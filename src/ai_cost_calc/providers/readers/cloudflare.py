"""Cloudflare Workers AI: OpenAI's shapes, and an envelope of its own with the answer in `result`.

Source: developers.cloudflare.com/workers-ai, "REST API" and "OpenAI compatible API endpoints".
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._openai_shape import Chat, read_chat
from ai_cost_calc.providers.readers._wire import Wire


class Envelope(Wire):
    """The answer in its envelope."""

    result: Chat | None = None


class RunEvent(Chat):
    """One event of a streamed answer, which has no envelope."""

    response: str | None = None


def read_envelope(wire: Any, source: Source) -> Reading:
    """Read what is in the envelope."""
    return read_chat(wire if isinstance(wire, Chat) else wire.result or Chat(), source)


def _fold(kept: Any, event: Any) -> Any:
    event.response = None
    return event if kept is None or event.usage is not None else kept


CLOUDFLARE: Final = Vendor(
    name="cloudflare",
    aliases=("workers-ai",),
    hosts=(r"api\.cloudflare\.com/client/v4/accounts/[^/]+/ai",),
    paths=((r"/ai/run/(?P<model>.+)$", "run"),),
    flavours={
        **COMPATIBLE,
        "run": Flavour(
            wire=Envelope,
            event=RunEvent,
            read=read_envelope,
            fold=_fold,
            text=lambda event: utf8_bytes(event.response),
            ends=lambda event: event.usage is not None,
        ),
    },
)
