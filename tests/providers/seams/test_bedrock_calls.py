"""boto3's clients for Bedrock: how calls fail, what wrapping leaves alone, and what prices and budgets make of them."""

from __future__ import annotations

import gc
import io
import json
import socket
import weakref
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.errors import UnsupportedClient
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.readers.bodies import CONVERSE_COUNTS, MESSAGE_COUNTS, message
from tests.providers.seams.bedrock import (
    CLAUDE,
    CONVERSE,
    CONVERSED,
    ERROR,
    INVOKE,
    INVOKED,
    REGION,
    open_client,
)
from tests.providers.seams.customers import served
from tests.providers.seams.recording import RecordingMeter, budget_exceeded

ANSWER: Final = json.dumps(CONVERSED).encode()
EVENTS: Final = ("before-parameter-build", "before-call", "after-call", "after-call-error")


@pytest.fixture
def bare(simulator: ProviderSimulator) -> Iterator[Any]:
    """A client that nobody has wrapped."""
    client = open_client(simulator.url)
    yield client
    client.close()


@pytest.fixture
def client(bare: Any, meter: RecordingMeter) -> Any:
    """A wrapped one."""
    provider_for(bare).wrap(bare, meter)
    return bare


# How calls fail.


def test_a_call_that_is_not_valid_reserves_nothing(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Botocore refuses it before anything is decided, so nothing has to be given back."""
    with pytest.raises(ParamValidationError, match="modelId"):
        client.converse(messages=[])
    assert meter.calls == []
    assert simulator.requests == []


def test_no_connection(bare: Any, meter: RecordingMeter) -> None:
    """Without a server every attempt fails; the error is botocore's, and what was held is given back."""
    lost = open_client("http://127.0.0.1:9")
    provider_for(lost).wrap(lost, meter)
    with pytest.raises(EndpointConnectionError) as caught:
        lost.converse(**CONVERSE)
    assert meter.call.ends == [(caught.value, False)]
    assert meter.call.readings == []


def test_no_answer_in_time(meter: RecordingMeter) -> None:
    """The same holds for an answer that does not come."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hasty = open_client(url, read_timeout=0.05, retries={"total_max_attempts": 1})
        provider_for(hasty).wrap(hasty, meter)
        with pytest.raises(ReadTimeoutError) as caught:
            hasty.converse(**CONVERSE)
    hasty.close()
    assert meter.call.ends == [(caught.value, False)]
    assert meter.call.readings == []


def test_attempts_that_fail(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Attempts that fail are one call with the one that succeeds; botocore's count of them is untouched."""
    for _ in range(2):
        simulator.replay(body=b'{"message": "Slow down."}', status=503)
    simulator.replay(body=ANSWER)
    answer = client.converse(**CONVERSE)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert len(simulator.requests) == 3
    assert meter.call.usage.counts() == CONVERSE_COUNTS
    assert meter.call.ended


def test_attempts_that_all_fail(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Nothing is billed for them."""
    for _ in range(3):
        simulator.replay(body=b'{"message": "Slow down."}', status=503)
    with pytest.raises(ClientError, match="Slow down"):
        client.converse(**CONVERSE)
    ((error, aborted),) = meter.call.ends
    assert isinstance(error, ClientError)
    assert not aborted
    assert meter.call.readings == []


@pytest.mark.parametrize("event", ["before-send", "before-call"])
def test_an_interrupt_gives_back_what_was_held(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator, event: str
) -> None:
    """Ctrl-C, or a handler of somebody else's that fails, leaves botocore without a word; the call ends even so."""

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    client.meta.events.register(f"{event}.bedrock-runtime.*", interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.converse(**CONVERSE)
    assert meter.call.aborted
    assert meter.call.readings == []


# What wrapping leaves alone.


def handlers(client: Any) -> dict[str, list[Any]]:
    """Who listens to a client's events."""
    return {
        event: list(client.meta.events._emitter._handlers.prefix_search(f"{event}.bedrock-runtime.Converse"))
        for event in EVENTS
    }


def test_unwrapping_leaves_no_handler(bare: Any, meter: RecordingMeter) -> None:
    """The client's events have the handlers that they had."""
    before = handlers(bare)
    provider_for(bare).wrap(bare, meter)
    assert handlers(bare) != before
    provider_for(bare).unwrap(bare)
    assert handlers(bare) == before


def test_a_call_under_way_is_billed(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A client that is unwrapped while it waits for an answer is billed for it; then nothing is left of us."""
    client.meta.events.register("before-send", lambda **_: provider_for(client).unwrap(client))
    simulator.replay(body=ANSWER)
    client.converse(**CONVERSE)
    assert meter.call.usage.counts() == CONVERSE_COUNTS
    assert meter.call.ended
    assert not any("bedrock" in str(handler) for found in handlers(client).values() for handler in found)


def test_a_wrapped_client_is_freed_like_any_other(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """What we keep of it does not keep it."""
    made = open_client(simulator.url)
    provider_for(made).wrap(made, meter)
    simulator.replay(body=ANSWER)
    made.converse(**CONVERSE)
    made.close()
    kept = weakref.ref(made)
    del made
    gc.collect()
    assert kept() is None


def test_other_clients_of_a_session(simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """What one client of a session is wrapped with does not reach its other clients, made before or after."""
    session = boto3.Session()
    one, other = open_client(simulator.url, session), open_client(simulator.url, session)
    provider_for(one).wrap(one, meter)
    for each in (other, open_client(simulator.url, session), one):
        simulator.replay(body=ANSWER)
        each.converse(**CONVERSE)
        each.close()
    assert meter.call.ended


def test_blocks_may_overlap(bare: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Of several blocks that meter one client, the last to leave restores it."""
    provider = provider_for(bare)
    provider.wrap(bare, meter, scoped=True)
    provider.wrap(bare, meter, scoped=True)
    provider.unwrap(bare, scoped=True)
    for _ in range(2):
        simulator.replay(body=ANSWER)
        bare.converse(**CONVERSE)
        provider.unwrap(bare, scoped=True)
    assert len(meter.calls) == 1


def test_what_costs_no_tokens_passes(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Counting is free, guardrails and jobs have no count of tokens: none of them is held up by a budget."""
    meter.refusal = budget_exceeded()
    for answer in ({"inputTokens": 7}, {"action": "NONE", "usage": {}}, {"invocationArn": "arn:aws:bedrock:job/1"}):
        simulator.replay(body=json.dumps(answer).encode())
    assert client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": CONVERSE["messages"]}})
    assert client.apply_guardrail(
        guardrailIdentifier="gr", guardrailVersion="1", source="INPUT", content=[{"text": {"text": "Hi"}}]
    )
    assert client.start_async_invoke(
        modelId="amazon.nova-reel-v1:0",
        modelInput={"taskType": "TEXT_VIDEO"},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bucket/out"}},
    )
    assert meter.calls == []
    assert not hasattr(client, "invoke_model_with_bidirectional_stream")


def test_other_services_cannot_be_wrapped() -> None:
    """A client of another service of Amazon's is refused, and so is one whose answers have to be awaited."""
    storage = boto3.client("s3", region_name=REGION, aws_access_key_id="any", aws_secret_access_key="any")
    with pytest.raises(UnsupportedClient, match=r"botocore\.client\.S3 cannot be wrapped"):
        provider_for(storage)
    awaited: Any = open_client("http://127.0.0.1:9")
    awaited.__class__ = type("AioBedrockRuntime", (type(awaited),), {"__module__": "aiobotocore.client"})
    with pytest.raises(UnsupportedClient):
        provider_for(awaited)


def test_stubbed_answers_are_metered(client: Any, meter: RecordingMeter) -> None:
    """Botocore's own stubs answer in place of the provider; budgets hold in front of them as they do elsewhere."""
    body = StreamingBody(io.BytesIO(INVOKED), len(INVOKED))
    with Stubber(client) as stub:
        stub.add_response("converse", CONVERSED)
        stub.add_response("invoke_model", {"body": body, "contentType": "application/json"})
        stub.add_client_error("converse", "ThrottlingException", http_status_code=429)
        client.converse(**CONVERSE)
        assert json.loads(client.invoke_model(**INVOKE)["body"].read()) == message()
        with pytest.raises(ClientError, match="Throttling"):
            client.converse(**CONVERSE)
        meter.refusal = budget_exceeded()
        stub.add_response("converse", CONVERSED)
        with pytest.raises(BudgetExceeded):
            client.converse(**CONVERSE)
    assert [call.usage.counts() for call in meter.calls[:2]] == [CONVERSE_COUNTS, MESSAGE_COUNTS]
    assert meter.calls[2].readings == []


def test_faults_of_ours_stay_inside(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that cannot be looked at reaches its caller, and does not count as free."""
    meter.expects_faults = True
    monkeypatch.setattr("ai_cost_calc.providers.bedrock.Answer", None)
    simulator.replay(body=ANSWER)
    assert client.converse(**CONVERSE)["usage"]["outputTokens"] == 121
    assert [where for where, _ in meter.faults] == ["tap"]
    assert meter.call.reading.estimated
    assert meter.call.ended


# With prices and budgets.


def test_two_threads_with_their_own_customers(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """One client serves two threads; each customer pays for what its own thread asked."""
    calc = make_calc()
    shared = calc.wrap(open_client(simulator.url))
    for _ in range(20):
        simulator.replay(body=ANSWER)
    rows = served(calc, lambda: [shared.converse(**CONVERSE) for _ in range(10)])
    shared.close()
    assert {name: row.calls for name, row in rows.items()} == {"acme": 10, "globex": 10}
    assert rows["acme"].usage.input_tokens == 10 * CONVERSE_COUNTS["input_tokens"]


@pytest.mark.parametrize(
    "model", ["amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"]
)
def test_a_call_costs_what_its_model_does(make_calc: MakeCalc, simulator: ProviderSimulator, model: str) -> None:
    """Nova Lite takes $0.06 and $0.24 for a million tokens (aws.amazon.com/bedrock/pricing, US East)."""
    calc = make_calc()
    client = calc.wrap(open_client(simulator.url, region="us-east-1"))
    simulator.replay(body=json.dumps(CONVERSED | {"usage": {"inputTokens": 1_000, "outputTokens": 100}}).encode())
    client.converse(**{**CONVERSE, "modelId": model})
    client.close()
    (row,) = calc.report("provider")
    assert (row.provider, row.cost) == ("aws", Decimal("0.000084"))


def test_a_budget_holds_before_bedrock_is_asked(simulator: ProviderSimulator, make_calc: MakeCalc) -> None:
    """Two calls fit; the third is refused as any other client's is, and nothing is sent."""
    calc: AiCostCalc = make_calc(budgets=[Budget(2, per="day", unit="calls")])
    client = calc.wrap(open_client(simulator.url))
    for _ in range(2):
        simulator.replay(body=ANSWER)
        client.converse(**CONVERSE)
    with pytest.raises(BudgetExceeded):
        client.converse(**CONVERSE)
    client.close()
    assert len(simulator.requests) == 2
    (status,) = calc.budgets.status()
    assert (status.spent, status.held) == (Decimal(2), Decimal(0))


def test_an_answer_that_is_recorded_by_hand_as_well(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """Converse names no answer; the id of its request tells that it was recorded."""
    calc = make_calc()
    client = calc.wrap(open_client(simulator.url))
    simulator.replay(body=ANSWER, headers={"x-amzn-RequestId": "f8c4e2d0"})
    calc.record(client.converse(**CONVERSE))
    client.close()
    (row,) = calc.report("feature")
    assert row.calls == 1


def test_errors_of_the_provider_are_not_billed(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """Nothing stays held, and nothing is in the books."""
    calc = make_calc(budgets=[Budget("1.00", per="day")], fallback_price="15.00")
    client = calc.wrap(open_client(simulator.url))
    simulator.replay(body=ERROR, status=400)
    with pytest.raises(ClientError, match="invalid"):
        client.converse(**CONVERSE)
    client.close()
    (status,) = calc.budgets.status()
    assert (status.spent, status.held) == (Decimal(0), Decimal(0))
    assert list(calc.report("customer")) == []
