"""Clients of Bedrock on loopback, and what it answers: written after the API reference (`API_runtime_Converse`, …)."""

from __future__ import annotations

import json
from typing import Any, Final

import boto3
from botocore.config import Config

from tests.providers.readers.bodies import (
    CONVERSE_USAGE,
    METRIC_COUNTS,
    METRICS,
    frame,
    message,
    message_stream,
    wrapped,
)

REGION: Final = "eu-central-1"
NOVA: Final = "eu.amazon.nova-lite-v1:0"
CLAUDE: Final = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES: Final = [{"role": "user", "content": [{"text": "Describe the fjord."}]}]
CONVERSE: Final[dict[str, Any]] = {"modelId": NOVA, "messages": MESSAGES, "inferenceConfig": {"maxTokens": 300}}
BODY: Final = json.dumps({"max_tokens": 400, "messages": [{"role": "user", "content": "Describe the fjord."}]})
INVOKE: Final[dict[str, Any]] = {"modelId": CLAUDE, "body": BODY}

CONVERSED: Final[dict[str, Any]] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Deep and still."}]}},
    "stopReason": "end_turn",
    "usage": CONVERSE_USAGE,
    "metrics": {"latencyMs": 840},
}
EVENTS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Deep and "}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "still."}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": CONVERSE_USAGE, "metrics": {"latencyMs": 2368}}),
]
FRAMES: Final = [frame(payload, event) for event, payload in EVENTS]
STOP: Final = {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}
STREAM_COUNTS: Final = METRIC_COUNTS | {"cache_write_5m_tokens": 5}
"""What a stream of Claude's comes to: Bedrock's metrics, and from the message how long the cache is kept."""
CHUNKS: Final = [wrapped(event) for event in [*message_stream()[:-1], STOP]]
INVOKED: Final = json.dumps(message()).encode()
ERROR: Final = b'{"message": "The provided model identifier is invalid."}'


def open_client(url: str, session: Any = boto3, region: str = REGION, **config: Any) -> Any:
    """A client that nobody has wrapped."""
    return session.client(
        "bedrock-runtime",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(**{"retries": {"mode": "standard", "total_max_attempts": 3}, **config}),
    )
