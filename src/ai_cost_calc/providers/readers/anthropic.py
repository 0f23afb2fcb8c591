"""Anthropic: messages, batches of them, and what it does not bill or report.

Source: Anthropic's API reference. Claude Platform on AWS (`aws-external-anthropic`) and Claude Models on Google Cloud
(`claude.googleapis.com`; anthropic 2.12, `lib/google_cloud/README.md`) are the same API under the same models' names.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._batch_shape import BATCHES, batch_results
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Vendor
from ai_cost_calc.providers.readers._openai_shape import CHAT

ANTHROPIC: Final = Vendor(
    name="anthropic",
    hosts=(r"api\.anthropic\.com", r"aws-external-anthropic\.[\w-]+\.api\.aws", r"claude\.googleapis\.com"),
    paths=(
        (r"/messages/count_tokens$|/models(/[^/]+)?$", "count_tokens"),
        (r"/messages/batches/[^/]+/results$", "batch_results"),
        (r"/messages/batches", "batches"),
        (r"/complete$", "complete_legacy"),
    ),
    flavours={
        "messages": MESSAGES,
        "chat": CHAT,
        "count_tokens": FREE,
        "batches": BATCHES,
        "batch_results": batch_results({"messages": MESSAGES}),
        "complete_legacy": UNREPORTED,
    },
)
