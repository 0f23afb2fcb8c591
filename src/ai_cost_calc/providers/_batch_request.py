"""What a request about a batch is: it makes one, as dear as all of its requests, or looks for what one used, for free.

Source: Anthropic's "Batch processing" (`requests`, each with `params`); mistralai 3.7, `createbatchjobrequest.py` and
`batchrequest.py` of `models/` (`requests`, each with a `body`; `model` beside them). What an input file asks for is not
known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers._batches import Place
from ai_cost_calc.providers._request import TOOL_PROMPT_BYTES, Input, Request, Sending, text
from ai_cost_calc.providers._settings import CHOICES, LIMITS, setting

Body = Mapping[str, Any]


def about_batch(
    place: Place, provider: str, made: Callable[[str], Request], options: Any, path: bytes, *, by_proxy: bool
) -> Sending:
    """The request that makes a batch, or that looks for what one used.

    Args:
        made: says what is made, for this provider, if it is one that makes a batch.
    """
    if place.name is None:
        return Sending(made(provider), options, path, by_proxy, background=True, batch=place)
    request = CallRequest(provider=provider, api="batch_results" if place.results else "batches")
    return Sending(request, options, path, by_proxy, polls=True, batch=place)


def new_batch(provider: str, body: Body, files: int = 0, unseen_bytes: int = 0) -> Request:
    """A batch, measured by the requests that stand in it; one of a file is taken for a single call.

    Args:
        files: what is sent beside the body.
        unseen_bytes: how long a body is that cannot be looked at.
    """
    tools = sum(1 for each in _inside(body, "params") if each.get("tools"))
    params = [*_inside(body, "params"), *_inside(body, "body")]
    models = {text(each.get("model")) or text(body.get("model")) for each in params or ({},)}
    limits = [setting(each, LIMITS) for each in params]
    return Request(
        provider=provider,
        model=models.pop() if len(models) == 1 else None,
        api="batches",
        input=Input(body, files, TOOL_PROMPT_BYTES * tools + unseen_bytes),
        max_output_tokens=None if None in limits else max(filter(None, limits), default=None),
        choices=sum(setting(each, CHOICES) or 1 for each in params) or 1,
        batch=True,
    )


def _inside(body: Body, name: str) -> list[Body]:
    """The requests that stand in a batch, where that is what they are called."""
    found = body.get("requests")
    each = (one.get(name) for one in found if isinstance(one, Mapping)) if isinstance(found, list | tuple) else ()
    return [one for one in each if isinstance(one, Mapping)]
