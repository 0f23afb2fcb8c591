"""What wrapping leaves as it was, what copies of a wrapped client are, and how it is undone."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from ai_cost_calc.errors import ConfigError, UnsupportedClient
from ai_cost_calc.providers import provider_for
from ai_cost_calc.providers.openai import PROVIDER
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.conftest import USAGE, MakeClient, MakeHttp
from tests.providers.seams.recording import RecordingMeter

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


def test_the_object_stays_what_it_is(make_client: MakeClient, meter: RecordingMeter) -> None:
    """Type, name, representation, signatures and attributes are the bare client's, and all of it comes back."""
    client = make_client()
    attributes, shown, signature = dict(vars(client)), repr(client), inspect.signature(client.request)
    PROVIDER.wrap(client, meter)
    assert isinstance(client, openai.OpenAI)
    assert (type(client).__name__, type(client).__module__) == ("OpenAI", openai.OpenAI.__module__)
    assert (repr(client), vars(client)) == (shown, attributes)
    assert inspect.signature(client.request) == signature
    assert client.request.__doc__ == openai.OpenAI.request.__doc__
    PROVIDER.unwrap(client)
    assert type(client) is openai.OpenAI
    assert vars(client) == attributes
    assert client._client.event_hooks == {"request": [], "response": []}


def test_resources_made_before_wrapping(make_client: MakeClient, meter: RecordingMeter) -> None:
    """A resource that the user keeps from before is metered while its client is wrapped, and only then."""
    client = make_client()
    completions = client.chat.completions
    raw = client.chat.completions.with_raw_response
    PROVIDER.wrap(client, meter)
    completions.create(**CHAT)
    raw.create(**CHAT)
    assert len(meter.calls) == 2
    PROVIDER.unwrap(client)
    completions.create(**CHAT)
    assert len(meter.calls) == 2


def test_wrapping_twice_does_nothing(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A call of a client that was wrapped twice is counted once, and unwrapping once is enough."""
    PROVIDER.wrap(openai_client, meter)
    openai_client.chat.completions.create(**CHAT)
    assert meter.call.usage.counts() == USAGE
    PROVIDER.unwrap(openai_client)
    PROVIDER.unwrap(openai_client)
    assert type(openai_client) is openai.OpenAI


def test_another_meter_must_wait(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """A client belongs to one meter at a time; the error says what to do."""
    with pytest.raises(ConfigError, match="unwrap it there first"):
        PROVIDER.wrap(openai_client, RecordingMeter())
    PROVIDER.unwrap(openai_client)
    other = RecordingMeter()
    PROVIDER.wrap(openai_client, other)
    openai_client.chat.completions.create(**CHAT)
    assert other.call.ended
    assert meter.calls == []


def test_blocks_may_overlap(make_client: MakeClient, meter: RecordingMeter) -> None:
    """Of several blocks that meter one client, the last to leave restores it; a wrap for good outlives them all."""
    client = make_client()
    PROVIDER.wrap(client, meter, scoped=True)
    PROVIDER.wrap(client, meter, scoped=True)
    PROVIDER.unwrap(client, scoped=True)
    client.chat.completions.create(**CHAT)
    PROVIDER.unwrap(client, scoped=True)
    client.chat.completions.create(**CHAT)
    assert len(meter.calls) == 1
    PROVIDER.wrap(client, meter)
    PROVIDER.wrap(client, meter, scoped=True)
    PROVIDER.unwrap(client, scoped=True)
    client.chat.completions.create(**CHAT)
    assert len(meter.calls) == 2
    PROVIDER.unwrap(client)
    assert type(client) is openai.OpenAI


def test_hooks_of_others_stay(make_azure: MakeClient, make_http: MakeHttp, meter: RecordingMeter) -> None:
    """Ours is one more hook: the user's, and the one with which Azure guards its key, are still called."""
    seen: list[str] = []
    http = make_http(
        event_hooks={"request": [lambda _: seen.append("request")], "response": [lambda _: seen.append("response")]}
    )
    client = make_azure(http_client=http)
    before = {name: list(hooks) for name, hooks in http.event_hooks.items()}
    assert ("_strip_azure_api_key_on_redirect" in str(before["request"])) == (len(before["request"]) == 2)
    PROVIDER.wrap(client, meter)
    client.chat.completions.create(**CHAT)
    assert seen == ["request", "response"]
    assert meter.call.usage.counts() == USAGE
    PROVIDER.unwrap(client)
    assert http.event_hooks == before


def test_a_hook_that_reads_the_answer_first(
    make_client: MakeClient, make_http: MakeHttp, meter: RecordingMeter
) -> None:
    """A hook of the user's may read an answer whole; its usage is found there, and the usage chunk is taken out."""
    http = make_http(event_hooks={"response": [lambda response: response.read()]})
    client = make_client(http_client=http)
    PROVIDER.wrap(client, meter)
    client.chat.completions.create(**CHAT)
    chunks = list(client.chat.completions.create(**CHAT, stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert [call.usage.output_tokens for call in meter.calls] == [USAGE["output_tokens"]] * 2


def test_one_http_client_for_several(make_client: MakeClient, make_http: MakeHttp, meter: RecordingMeter) -> None:
    """Clients that share an HTTP client are each counted once; it is released when the last of them is unwrapped."""
    http = make_http()
    one, two, bare = (make_client(http_client=http) for _ in range(3))
    PROVIDER.wrap(one, meter)
    PROVIDER.wrap(two, meter)
    for client in (one, two, bare):
        client.chat.completions.create(**CHAT)
    assert len(meter.calls) == 2
    assert len(http.event_hooks["response"]) == 1
    PROVIDER.unwrap(one)
    two.chat.completions.create(**CHAT)
    assert meter.calls[-1].usage.counts() == USAGE
    PROVIDER.unwrap(two)
    assert http.event_hooks["response"] == []


def test_copies_are_wrapped_too(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """What `with_options` and `copy` make is guarded, with its new options, and copies of copies are."""
    patient = openai_client.with_options(timeout=7)
    assert (type(patient).__name__, patient.timeout) == ("OpenAI", 7)
    patient.copy(max_retries=0).chat.completions.create(**CHAT)
    assert meter.call.ended
    assert openai_client.timeout != 7


def test_a_copy_with_another_http_client(
    openai_client: openai.OpenAI, make_http: MakeHttp, meter: RecordingMeter
) -> None:
    """A copy may send by an HTTP client that has never been hooked; it is read all the same."""
    http = make_http()
    openai_client.with_options(http_client=http).chat.completions.create(**CHAT)
    assert meter.call.usage.counts() == USAGE
    assert http.event_hooks["response"] == []


def test_hooks_that_the_user_replaces(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Assigning new hooks to an HTTP client drops ours; the next call puts it back."""
    openai_client._client.event_hooks = {"request": [], "response": []}
    openai_client.chat.completions.create(**CHAT)
    assert meter.call.usage.counts() == USAGE


def test_azure_copies_keep_their_deployment(
    make_azure: MakeClient, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Azure's copies are made by Azure's own class, with what it carries over."""
    client = make_azure(azure_deployment="gpt-4o")
    bare = client.with_options(api_version="2024-10-21", timeout=7)
    PROVIDER.wrap(client, meter)
    made = client.with_options(api_version="2024-10-21", timeout=7)
    assert vars(made) == vars(bare)
    made.chat.completions.create(**CHAT)
    assert simulator.requests[-1].path == "/openai/deployments/gpt-4o/chat/completions"
    assert meter.call.ended


def test_shallow_copies(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """`copy.copy` gives a client of its own, guarded, that sends with its own settings."""
    twin = copy.copy(openai_client)
    assert type(twin) is type(openai_client)
    assert vars(twin) == vars(openai_client)
    twin.api_key = "another"
    assert openai_client.api_key == "any"
    twin.embeddings.create(model="text-embedding-3-small", input="x")
    assert meter.call.ended


def test_pickling_gives_a_bare_client(openai_client: openai.OpenAI) -> None:
    """A wrapped client that can be pickled comes out as a bare one: its meter stays in its process."""
    vars(openai_client).clear()
    vars(openai_client)["api_key"] = "any"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        made = pickle.loads(pickle.dumps(openai_client, protocol))  # noqa: S301 - made here
        assert type(made) is openai.OpenAI
        assert vars(made) == {"api_key": "any"}


def test_pickling_is_the_bare_clients(openai_client: openai.OpenAI, make_client: MakeClient) -> None:
    """A wrapped client pickles, or fails to, exactly as a bare one."""

    def pickled(client: Any) -> tuple[type[BaseException], str] | None:
        try:
            pickle.dumps(client)
        except Exception as error:  # noqa: BLE001 - whatever it is
            return type(error), str(error)
        return None

    assert pickled(openai_client) == pickled(make_client())


class HouseClient(openai.OpenAI):
    """A client as a company might derive it, that closes itself and remembers what it is for."""

    team = "unset"
    closed = 0

    def copy(self, **more: Any) -> HouseClient:
        """Hand the team on."""
        made = super().copy(**more)
        made.team = self.team
        return made

    with_options = copy

    def __del__(self) -> None:
        """Count, where the company's would close."""
        HouseClient.closed += 1


def test_classes_of_the_users_own(make_client: MakeClient, meter: RecordingMeter) -> None:
    """A derived client keeps its own methods, and no copying destroys a part of it on the way."""
    client = make_client(HouseClient)
    client.team = "red"
    provider_for(client).wrap(client, meter)
    closed = HouseClient.closed
    made = client.with_options(timeout=7)
    twin = copy.copy(client)
    assert (made.team, twin.team, type(made).__name__) == ("red", "red", "HouseClient")
    assert HouseClient.closed == closed
    for each in (client, made, twin):
        each.chat.completions.create(**CHAT)
    assert [call.ended for call in meter.calls] == [True, True, True]
    PROVIDER.unwrap(client)
    assert type(client) is HouseClient


def test_a_call_under_way_is_billed_although_its_client_is_unwrapped(
    openai_client: openai.OpenAI, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Unwrapping does not lose the calls that other threads are making; the hook goes with the last of them."""
    simulator.next(delay_ms=200)
    http = openai_client._client
    thread = threading.Thread(target=lambda: openai_client.chat.completions.create(**CHAT))
    thread.start()
    while not simulator.requests:
        pass
    PROVIDER.unwrap(openai_client)
    assert http.event_hooks["response"] != []
    thread.join()
    assert meter.call.usage.counts() == USAGE
    assert http.event_hooks["response"] == []


def test_threads_share_a_client(openai_client: openai.OpenAI, meter: RecordingMeter) -> None:
    """Calls of many threads through one client are each counted once, with their own usage."""

    def ask(number: int) -> int:
        answer: Any = openai_client.chat.completions.create(
            **CHAT,
            extra_headers={"x-simulate-usage": f'{{"input_tokens": {number}, "output_tokens": 1}}'},
        )
        return int(answer.usage.prompt_tokens)

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, range(1, 81)))
    assert sorted(call.usage.input_tokens for call in meter.calls) == asked == list(range(1, 81))
    assert all(call.ended for call in meter.calls)


def test_a_client_dies_when_it_is_dropped(make_client: MakeClient, meter: RecordingMeter) -> None:
    """Wrapping ties no knot that would keep a client alive."""
    client = make_client()
    PROVIDER.wrap(client, meter)
    gone = weakref.ref(client)
    del client
    assert gone() is None


@pytest.mark.parametrize("client", [object(), openai.Stream, "openai"])
def test_what_cannot_be_wrapped(client: object) -> None:
    """An unknown object is refused, and the message says what to do instead."""
    with pytest.raises(UnsupportedClient, match=r"calc\.guard"):
        provider_for(client)


def test_an_sdk_that_is_too_old(
    make_client: MakeClient, meter: RecordingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SDK older than the oldest that is tested is refused when the client is wrapped, not later."""
    monkeypatch.setattr(openai, "__version__", "1.109.1")
    client = make_client()
    with pytest.raises(ConfigError, match=r"openai 1\.109\.1 is too old: upgrade to openai>=2\.0"):
        PROVIDER.wrap(client, meter)
    assert type(client) is openai.OpenAI
    assert client._client.event_hooks["response"] == []
