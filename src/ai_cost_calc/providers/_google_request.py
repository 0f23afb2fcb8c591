"""What a request to Google's APIs is: billed at once, when a job is over, or not at all.

Billed are `generateContent`, embeddings, predictions, interactions, decisions and making a voice (ai.google.dev,
"Pricing"). Counting tokens, files, models and the state of an operation are free. Caches are billed by the hour, tuning
and file search stores when they are made, which no response reports: these are not metered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers._google_jobs import BatchPoll, InteractionPoll, KeptJob
from ai_cost_calc.providers._http_request import Body
from ai_cost_calc.providers._http_request import sending_of as any_sending_of
from ai_cost_calc.providers._request import Input, Request, Sending, text
from ai_cost_calc.providers.readers import route

PROVIDER: Final = "google"
BATCH: Final = "batches"
GENERATED: Final = frozenset({"decisions", "interactions", "voices"})
"""APIs whose requests name the model, or an agent, in their body."""
_POLLED: Final = re.compile(r"/(?:interactions|batchPredictionJobs|batches|files)/[^/:]+$")
_BATCHED: Final = re.compile(r":batchGenerateContent$|:asyncBatchEmbedContent$|/batchPredictionJobs$")


def sending_of(method: str, url: str, body: Body) -> Sending | None:
    """What this request is; `None` for one that costs nothing.

    Args:
        body: what it says, as it is about to be sent.
    """
    path = urlsplit(url).path
    if (polls := _poll(method, url, path)) is not None:
        return polls
    if method == "POST" and _BATCHED.search(path):
        return _batch(url, path, body)
    found = any_sending_of(method, url, lambda: body, PROVIDER)
    if found is None or found.request.api not in GENERATED:
        return found
    asked = body.fields.get
    found = replace(
        found, request=replace(found.request, model=_name(asked("model") or asked("agent") or _of_voice(body)))
    )
    if found.request.api != "interactions":
        return found
    background = asked("background") is True
    return replace(found, background=background, follow=partial(KeptJob, waits=background))


def _poll(method: str, url: str, path: str) -> Sending | None:
    """Looking for what was made earlier, or giving it up: free, but it may say what that used."""
    if method == "POST" and path.endswith("/cancel"):
        made = path.removesuffix("/cancel")
    elif method == "GET":
        made = path.removesuffix(":download")
    else:
        return None
    found = _POLLED.search(made)
    if found is None or ("/files/" in made) != path.endswith(":download"):
        return None
    api = route(PROVIDER, None, url).api or ""
    request = CallRequest(provider=PROVIDER, api=api, stream=api == "batch_results")
    follow = InteractionPoll if api == "interactions" else partial(BatchPoll, name=found[0].removeprefix("/"))
    return Sending(request, None, path.encode(), polls=True, follow=follow)


def _batch(url: str, path: str, body: Body) -> Sending:
    """A batch: as many answers as requests, where they are in it; how many a file has is not known."""
    way = route(PROVIDER, None, url)
    inside = _inside(body.fields)
    request = Request(
        provider=PROVIDER,
        model=way.model or _name(body.fields.get("model")),
        api=BATCH,
        input=Input(body.fields, files=not inside),
        choices=max(len(inside), 1),
        service_tier="batch",
        batch=True,
    )
    return Sending(
        request, None, path.rpartition("/")[2].encode(), background=True, follow=partial(KeptJob, waits=True)
    )


def _inside(fields: Mapping[str, Any]) -> Any:
    """The requests of a batch: two objects around a list."""
    batch = fields.get("batch")
    for name in ("inputConfig", "requests", "requests"):
        batch = batch.get(name) if isinstance(batch, Mapping) else None
    return batch if isinstance(batch, list) else ()


def _of_voice(body: Body) -> object:
    """The model that is to make a voice, in the voice itself (google-genai 3.6.1, `createvoicerequest.py`)."""
    voice = body.fields.get("voice")
    return voice.get("model") if isinstance(voice, Mapping) else None


def _name(model: object) -> str | None:
    said = text(model)
    return None if said is None else said.rpartition("/")[2]
