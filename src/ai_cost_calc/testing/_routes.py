"""Which provider a request is for, and who answers it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

from ai_cost_calc.testing import _anthropic, _google, _openai
from ai_cost_calc.testing._call import Call, Refused, json_reply, new_id, snapshot
from ai_cost_calc.testing._responses import Responses
from ai_cost_calc.testing._tokens import PromptCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ai_cost_calc.core.usage import Usage
    from ai_cost_calc.testing._call import Json
    from ai_cost_calc.testing._http import HttpRequest, Reply
    from ai_cost_calc.testing._tokens import Sampler

_PATH: Final = re.compile(r"/(?:openai/deployments/(?P<deployment>[^/]+)|openai/v1|openai|v1)/(?P<resource>.+)")
_GOOGLE: Final = re.compile(
    r"/v1(?:alpha|beta1?)?/(?:projects/.+/|publishers/.+/)?models/(?P<model>[^/:]+):(?P<verb>\w+)"
)
_RESPONSE: Final = re.compile(r"responses/(?P<id>[^/]+)(?P<cancel>/cancel)?")
_MODEL_NAME: Final = re.compile(r"gpt-\d[\w.-]*|o\d[\w-]*|text-embedding-[\w-]+")
_HANDLERS: Final[Mapping[str, Callable[[Call], Reply]]] = {
    "chat/completions": _openai.chat,
    "completions": _openai.completions,
    "embeddings": _openai.embeddings,
    "messages": _anthropic.messages,
    "messages/count_tokens": _anthropic.count_tokens,
    "batchEmbedContents": _google.embed,
    "countTokens": _google.count_tokens,
    "embedContent": _google.embed,
    "generateContent": _google.generate,
    "streamGenerateContent": _google.stream,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path, taken apart.

    Attributes:
        provider: `openai`, `azure`, `anthropic` or `google`.
        resource: the path below the API's root, such as `chat/completions`, or Google's verb; empty for nobody's.
        deployment: the Azure deployment, or Google's model, in the path.
    """

    provider: str
    resource: str
    deployment: str | None

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """Take a request's path apart."""
        if (asked := _GOOGLE.fullmatch(request.path)) is not None:
            return cls(provider="google", resource=asked["verb"], deployment=unquote(asked["model"]))
        found = _PATH.fullmatch(request.path)
        resource = found["resource"] if found else ""
        deployment = unquote(found["deployment"]) if found and found["deployment"] else None
        if resource.startswith("messages") or "anthropic-version" in request.headers:
            return cls(provider="anthropic", resource=resource, deployment=None)
        provider = "azure" if request.path.startswith("/openai/") else "openai"
        return cls(provider=provider, resource=resource, deployment=deployment)

    @property
    def headers(self) -> dict[str, str]:
        """The provider's headers that go with every answer."""
        if self.provider == "google":
            return {"x-content-type-options": "nosniff"}
        return {"request-id" if self.provider == "anthropic" else "x-request-id": new_id("req_")}

    def error(self, refused: Refused, retry_after: float | None = None) -> Reply:
        """Return an error as this provider words it; `retry_after` is in seconds."""
        headers = self.headers
        if retry_after is not None:
            # The SDKs take a wait of 0 for none given and fall back to their own, so it is never quite 0.
            headers |= {"retry-after": f"{retry_after:g}", "retry-after-ms": f"{max(retry_after * 1000, 1):g}"}
        message = str(refused) or None
        if self.provider == "anthropic":
            body = _anthropic.error(refused.status, message=message)
        elif self.provider == "google":
            body = _google.error(refused.status, message=message)
        else:
            azure = self.provider == "azure"
            body = _openai.error(refused.status, azure=azure, message=message, code=refused.code, param=refused.param)
        return json_reply(body, status=refused.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What answers behind the routes, and all it remembers.

    Attributes:
        deployments: the model behind each Azure deployment.
    """

    sampler: Sampler
    deployments: Mapping[str, str]
    cache: PromptCache = field(default_factory=PromptCache)
    responses: Responses = field(default_factory=Responses)

    def clear(self) -> None:
        """Forget prompts and responses."""
        self.cache.clear()
        self.responses.clear()

    def answer(self, method: str, route: Route, body: Json, *, exact: Usage | None, text: str | None) -> Reply:
        """Answer a request as the provider would.

        Raises:
            Refused: the provider would answer with an error.
        """
        stored = _RESPONSE.fullmatch(route.resource)
        if stored and (method == "GET" or stored["cancel"]):
            return self.responses.cancel(stored["id"]) if stored["cancel"] else self.responses.retrieve(stored["id"])
        if method == "GET" and route.resource == "models":
            return _anthropic.models() if route.provider == "anthropic" else _openai.models()
        handler = self.responses.create if route.resource == "responses" else _HANDLERS.get(route.resource)
        if handler is None or method != "POST":
            raise Refused(404, f"Invalid URL ({method} {route.resource})", code="unknown_url")
        azure = route.provider == "azure"
        model = self._model(route, body)
        return handler(
            Call(body=body, model=model, azure=azure, sampler=self.sampler, cache=self.cache, exact=exact, text=text)
        )

    def _model(self, route: Route, body: Mapping[str, Any]) -> str:
        asked = route.deployment or body.get("model")
        if not asked:
            raise Refused(400, "you must provide a model parameter", param="model")
        if route.provider != "azure":
            return snapshot(asked)
        usual = "text-embedding-3-small" if route.resource == "embeddings" else "gpt-4o"
        return snapshot(self.deployments.get(asked) or (asked if _MODEL_NAME.fullmatch(asked) else usual))
