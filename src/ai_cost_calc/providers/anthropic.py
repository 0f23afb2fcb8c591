"""Anthropic's SDK: `Anthropic`, its clients for other clouds, their asynchronous twins and what is made from them.

Billed is `POST /v1/messages` (docs.claude.com, "Pricing"), stable and beta, and batches of them, as their results say;
counting tokens is free. At the guard every client asks for `/v1/messages`; those of Amazon Bedrock and Vertex
AI send it elsewhere. Middleware may send more while a stream is read, after `request` has returned, as
`BetaRefusalFallbackMiddleware` does: each such attempt is a call of its own. Read in anthropic 2.12: `_base_client.py`
(`_attempt_request`), `resources/messages/`, `resources/beta/messages/`, `lib/bedrock/`, `lib/vertex/`,
`lib/google_cloud/`, `lib/aws/`, `lib/foundry.py`, `lib/middleware/`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ai_cost_calc.providers._batch_request import about_batch, new_batch
from ai_cost_calc.providers._batches import place_of
from ai_cost_calc.providers._request import (
    TOOL_PROMPT_BYTES,
    Input,
    Request,
    Sending,
    body_of,
    path_of,
    text,
    whole,
)
from ai_cost_calc.providers._sdk import SdkProvider, Vendor, provider_at


class Cloud(msgspec.Struct, frozen=True):
    """Where a client's requests go.

    Attributes:
        provider: who bills them, unless the base URL says otherwise.
        api: what answers.
        path: part of the path that they are sent to.
    """

    provider: str = "anthropic"
    api: str = "messages"
    path: bytes = b"messages"


CLOUDS: Final = {
    "Anthropic": Cloud(),
    "AnthropicAWS": Cloud(),
    "AnthropicBedrock": Cloud("aws", "invoke", b"/invoke"),
    "AnthropicBedrockMantle": Cloud("aws"),
    "AnthropicFoundry": Cloud("azure"),
    "AnthropicGoogleCloud": Cloud(),
    "AnthropicVertex": Cloud("google", path=b"awPredict"),
}
"""By the name of the client. Amazon Bedrock, Vertex AI and Azure AI Foundry sell Claude themselves; what is called
after AWS and Google Cloud is Anthropic's own API, at its own prices, billed by a marketplace."""


def sending(client: Any, options: Any) -> Sending | None:
    """What this request is; `None` for one that is not billed."""
    path = path_of(options.url)
    if options.method.lower() != "post" or path.rpartition(b"/")[2] != b"messages":
        return _batch(client, options, path) if b"messages/batches" in path else None
    body = body_of(options)
    cloud = cloud_of(client)
    host = provider_at(client, "v1/messages")
    request = Request(
        provider=host or cloud.provider,
        model=text(body.get("model")),
        api=cloud.api,
        stream=body.get("stream") is True,
        input=Input(body, framing=TOOL_PROMPT_BYTES if body.get("tools") else 0),
        max_output_tokens=whole(body.get("max_tokens")),
        service_tier=text(body.get("service_tier")),
    )
    return Sending(request, options, cloud.path, host is None)


def _batch(client: Any, options: Any, path: bytes) -> Sending | None:
    place = place_of(options.method, path)
    if place is None:
        return None
    host = provider_at(client, "v1/messages")
    provider = host or cloud_of(client).provider
    return about_batch(
        place, provider, lambda name: new_batch(name, body_of(options)), options, path, by_proxy=host is None
    )


def cloud_of(client: Any) -> Cloud:
    """Where this client's requests go, by its class or the one that it was made from."""
    names = (kind.__name__.removeprefix("Async") for kind in type(client).__mro__)
    return next((CLOUDS[name] for name in names if name in CLOUDS), CLOUDS["Anthropic"])


PROVIDER: Final = SdkProvider(
    Vendor(
        name="anthropic",
        module="anthropic",
        oldest=(2, 0),
        clients=tuple(f"{prefix}{name}" for name in CLOUDS for prefix in ("", "Async")),
        sending=sending,
        attempt="_attempt_request",
    )
)
