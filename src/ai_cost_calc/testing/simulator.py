"""A provider on loopback: the real SDKs talk to it, no key, no network and no money needed."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, Unpack, cast

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.testing._call import Refused
from ai_cost_calc.testing._http import LoopbackServer, Reply, cutter
from ai_cost_calc.testing._routes import Backend, Route
from ai_cost_calc.testing._tokens import Sampler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ai_cost_calc.testing._http import HttpRequest

_HEADER: Final = "x-simulate-"
_MIN_ERROR: Final = 400
_OWN_HEADERS: Final = frozenset({"connection", "content-length", "content-type", "transfer-encoding"})
"""Headers that say how this server sends a body; a recorded value would contradict it."""


class Behaviour(TypedDict, total=False):
    """What an answer is to be like. What is left out is as the provider would have it.

    A test gives these to `ProviderSimulator` for every request, to `ProviderSimulator.next` for some, or sends one as a
    header of a request (`break_after` as `x-simulate-break-after: 3`, values as JSON); the header wins.

    Attributes:
        status: answer with this HTTP error, in the provider's own words (400, 401, 404, 429, 500, 503, 529, …).
        retry_after: seconds that an error asks the client to wait; SDKs ignore 0, so it is sent as a millisecond.
        delay_ms: wait before the first byte.
        chunk_delay_ms: wait after every event of a stream.
        break_after: close the connection after so many events of a stream, or in the middle of a plain answer; 0 closes
            it before the first byte.
        usage: the exact usage to report, under the names of `ai_cost_calc.Usage`; counts left out are 0.
        text: the answer's text.
        hang: never answer, until either side closes the connection; the simulator does after a minute.
        garbage: answer with something that is not JSON.
    """

    status: int
    retry_after: float
    delay_ms: float
    chunk_delay_ms: float
    break_after: int
    usage: Mapping[str, int]
    text: str
    hang: bool
    garbage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRequest:
    """One request that the simulator received.

    Attributes:
        path: without the query.
        model: the model asked for, in the path or the body, or an Azure deployment; `None` where a request has none.
        stream: whether a streamed answer was asked for.
        body: the JSON that came, `None` if it was something else.
        headers: with lower-case names; they hold the API key, so they are left out of the `repr`.
    """

    method: str
    path: str
    query: str
    model: str | None
    stream: bool
    body: Any
    headers: Mapping[str, str] = field(repr=False)


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What is to happen to the next requests that match."""

    path: str | None
    left: int
    behaviour: Behaviour
    reply: Reply | None = None


class ProviderSimulator:
    """OpenAI, Azure OpenAI, Anthropic and Google on a loopback port, with realistic usage and failures on request.

    Answers Chat Completions, Completions, Responses, Embeddings, Messages and Gemini's contents, streamed or not. Input
    tokens follow from the size of the prompt, a repeated long prefix is read from a prompt cache, output stays below
    the limit asked for; equal requests get equal usage. API keys are not checked.

    Args:
        seed: another seed gives other lengths of answers.
        deployments: the model behind each Azure deployment; one that is neither listed nor called after a model answers
            as `gpt-4o`.
        always: how every answer is to be.

    Example:
        >>> with ProviderSimulator(usage={"input_tokens": 1000, "output_tokens": 500}) as simulator:
        ...     client = OpenAI(base_url=simulator.openai_base_url, api_key="any")
        ...     simulator.next(status=429, retry_after=0, times=2)
    """

    def __init__(
        self, *, seed: int = 0, deployments: Mapping[str, str] | None = None, **always: Unpack[Behaviour]
    ) -> None:
        self._always = _checked(always)
        self._backend = Backend(sampler=Sampler(seed), deployments=dict(deployments or {}))
        self._lock = threading.Lock()
        self._plans: list[_Plan] = []
        self._requests: list[SimulatedRequest] = []
        self._server: LoopbackServer | None = None

    def start(self) -> Self:
        """Open the port and answer from now on; the same as entering the context."""
        if self._server is None:
            self._server = LoopbackServer(self._answer)
        return self

    def close(self) -> None:
        """Drop every connection and free the port; what was recorded stays. A second call does nothing."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def url(self) -> str:
        """Where the simulator answers, such as `http://127.0.0.1:40123`.

        Raises:
            RuntimeError: it has not been started.
        """
        if self._server is None:
            msg = "the simulator is not running: use `with ProviderSimulator() as simulator:` or call start()"
            raise RuntimeError(msg)
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def openai_base_url(self) -> str:
        """What `openai.OpenAI(base_url=…)` takes."""
        return f"{self.url}/v1"

    @property
    def anthropic_base_url(self) -> str:
        """What `anthropic.Anthropic(base_url=…)` takes."""
        return self.url

    @property
    def azure_endpoint(self) -> str:
        """What `openai.AzureOpenAI(azure_endpoint=…)` takes."""
        return self.url

    @property
    def google_base_url(self) -> str:
        """What `genai.Client(http_options={"base_url": …})` takes, for the Gemini API and for Vertex AI."""
        return self.url

    @property
    def requests(self) -> list[SimulatedRequest]:
        """Every request since the last `reset` in the order of arrival; each attempt of a call is one."""
        return list(self._requests)

    def next(self, *, times: int = 1, path: str | None = None, **behaviour: Unpack[Behaviour]) -> None:
        """Plan how the next `times` requests are answered, after those that are planned already.

        Args:
            times: how many requests.
            path: only requests whose path ends so, such as `/messages`; others pass by.
            behaviour: see `Behaviour`.
        """
        self._plan(_Plan(path=path, left=times, behaviour=_checked(behaviour)))

    def replay(
        self,
        *,
        body: bytes,
        content_type: str = "application/json",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
        chunk_delay_ms: float = 0,
        break_after: int | None = None,
    ) -> None:
        """Plan an exact answer for the next request, byte for byte, such as a recorded one.

        An event stream, of server-sent events, JSON lines or AWS's frames, is sent event by event, so that
        `break_after` and `chunk_delay_ms` (see `Behaviour`) work on it.
        """
        cut = cutter(content_type)
        kept = {name: value for name, value in (headers or {}).items() if name.lower() not in _OWN_HEADERS}
        reply = Reply(
            parts=cut(body) if cut is not None else (body,),
            status=status,
            content_type=content_type,
            headers=kept,
            streamed=cut is not None,
        )
        behaviour: Behaviour = {"chunk_delay_ms": chunk_delay_ms}
        if break_after is not None:
            behaviour["break_after"] = break_after
        self._plan(_Plan(path=path, left=1, behaviour=behaviour, reply=reply))

    def reset(self) -> None:
        """Forget requests, plans, prompt caches and background responses."""
        with self._lock:
            self._plans.clear()
            self._requests.clear()
            self._backend.clear()

    def _plan(self, plan: _Plan) -> None:
        with self._lock:
            self._plans.append(plan)

    def _answer(self, request: HttpRequest) -> Reply:
        body = _parsed(request.body)
        route = Route.of(request)
        with self._lock:
            self._requests.append(_record(request, route, body))
            plan = self._take_plan(request.path)
        try:
            behaviour = cast("Behaviour", {**self._always, **plan.behaviour, **_from_headers(request.headers)})
            return _paced(plan.reply or self._reply(request, route, body, behaviour), behaviour)
        except Refused as refused:
            return route.error(refused)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            return route.error(Refused(400, f"The request could not be understood: {exc!r}"))

    def _take_plan(self, path: str) -> _Plan:
        for index, plan in enumerate(self._plans):
            if plan.path is None or path.endswith(plan.path):
                plan.left -= 1
                return plan if plan.left > 0 else self._plans.pop(index)
        return _Plan(path=None, left=0, behaviour={})

    def _reply(self, request: HttpRequest, route: Route, body: object, behaviour: Behaviour) -> Reply:
        if "status" in behaviour:
            return route.error(Refused(behaviour["status"], ""), behaviour.get("retry_after"))
        if behaviour.get("garbage"):
            return _garbage(streamed=_wants_stream(body) or route.resource.startswith("stream"))
        fields = body if isinstance(body, dict) else {}
        if request.body and fields is not body:
            raise Refused(400, "We could not parse the JSON body of your request.")
        exact = Usage(**behaviour["usage"]) if "usage" in behaviour else None
        reply = self._backend.answer(request.method, route, fields, exact=exact, text=behaviour.get("text"))
        return replace(reply, headers=route.headers)


def _checked(behaviour: Behaviour) -> Behaviour:
    unknown = behaviour.keys() - Behaviour.__optional_keys__
    if unknown:
        msg = f"unknown behaviour {sorted(unknown)}; there are {sorted(Behaviour.__optional_keys__)}"
        raise TypeError(msg)
    if behaviour.get("status", _MIN_ERROR) < _MIN_ERROR:
        msg = f"status {behaviour['status']} is not an error; leave it out for an answer that succeeds"
        raise ValueError(msg)
    Usage(**behaviour.get("usage", {}))
    return behaviour


def _from_headers(headers: Mapping[str, str]) -> Behaviour:
    found: dict[str, Any] = {}
    for name, value in headers.items():
        if name.startswith(_HEADER):
            key = name.removeprefix(_HEADER).replace("-", "_")
            found[key] = value if key == "text" else json.loads(value)
    return _checked(cast("Behaviour", found))


def _paced(reply: Reply, behaviour: Behaviour) -> Reply:
    return replace(
        reply,
        delay_seconds=behaviour.get("delay_ms", 0) / 1000,
        part_delay_seconds=behaviour.get("chunk_delay_ms", 0) / 1000,
        break_after=behaviour.get("break_after"),
        hang=behaviour.get("hang", False),
    )


def _record(request: HttpRequest, route: Route, body: object) -> SimulatedRequest:
    named = body.get("model") if isinstance(body, dict) else None
    return SimulatedRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        model=route.deployment or named,
        stream=_wants_stream(body) or route.resource.startswith("stream"),
        body=body,
        headers=request.headers,
    )


def _wants_stream(body: object) -> bool:
    return isinstance(body, dict) and body.get("stream") is True


def _garbage(*, streamed: bool) -> Reply:
    if streamed:
        return Reply(parts=(b'data: {"id": "half of', b"\n\n"), content_type="text/event-stream", streamed=True)
    return Reply(parts=(b'{"id": "half of',))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
