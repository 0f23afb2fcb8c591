"""boto3's clients for Bedrock: what is asked, and how answers are read, in whatever way their callers take them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import (
    EventStreamError,
    ResponseStreamingError,
)
from botocore.response import StreamingBody

from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import CONVERSE_COUNTS, EVENT_STREAM, MESSAGE_COUNTS, frame, message
from tests.providers.seams.bedrock import (
    CHUNKS,
    CLAUDE,
    CONVERSE,
    CONVERSED,
    FRAMES,
    INVOKE,
    INVOKED,
    REGION,
    STREAM_COUNTS,
    open_client,
)
from tests.providers.seams.recording import RecordingMeter

pytestmark = pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
"""The garbage collector warns of the connection of a dropped stream, of a bare client as of a wrapped one."""

ANSWER: Final = json.dumps(CONVERSED).encode()
HEADERS: Final = {"X-Amzn-Bedrock-Input-Token-Count": "5", "X-Amzn-Bedrock-Output-Token-Count": "10"}
LINES: Final = json.dumps(message(), indent=1).encode()


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


Bedrock = tuple[Any, RecordingMeter, ProviderSimulator]


@pytest.fixture
def bedrock(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> Bedrock:
    """A wrapped client, whom it reports to, and what it talks to."""
    return client, meter, simulator


def streamed(simulator: ProviderSimulator, *frames: bytes, **pace: Any) -> None:
    """Answer the next request with these frames."""
    simulator.replay(body=b"".join(frames), content_type=EVENT_STREAM, **pace)


# What is asked.


@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-lite-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-central-1:012345678901:application-inference-profile/abc123def456",
    ],
)
@pytest.mark.parametrize("operation", ["converse", "invoke_model"])
def test_the_model_is_the_one_asked_for(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator, model: str, operation: str
) -> None:
    """No answer names it: ids, profiles and ARNs are passed on as they were given, with the client's region."""
    simulator.replay(body=ANSWER)
    if operation == "converse":
        client.converse(**{**CONVERSE, "modelId": model})
    else:
        client.invoke_model(modelId=model, body=INVOKE["body"])["body"].read()
    assert meter.call.request.model == meter.call.reading.model == model
    assert meter.call.reading.region == REGION


@pytest.mark.parametrize(
    ("body", "limit", "choices"),
    [
        ({"max_tokens": 30, "prompt": "Hi"}, 30, 1),
        ({"inferenceConfig": {"max_new_tokens": 31}, "prompt": "Hi"}, 31, 1),
        ({"inferenceConfig": {"maxTokens": 32}, "prompt": "Hi"}, 32, 1),
        ({"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 33}}, 33, 1),
        ({"prompt": "Hi", "max_gen_len": 34}, 34, 1),
        ({"prompt": "Hi", "max_tokens": 35, "num_generations": 3}, 35, 3),
        ({"inputText": "Hi"}, None, 1),
    ],
    ids=["claude", "nova-1", "nova", "titan", "llama", "cohere", "titan-embed"],
)
def test_every_familys_limit_is_known(bedrock: Bedrock, body: dict[str, Any], limit: int | None, choices: int) -> None:
    """What a call may cost at the most follows from the limit in the model's own body."""
    client, meter, simulator = bedrock
    simulator.replay(body=INVOKED)
    client.invoke_model(modelId="any.model", body=json.dumps(body).encode(), serviceTier="flex")["body"].read()
    request = meter.call.request
    assert (request.max_output_tokens, request.choices, request.service_tier) == (limit, choices, "flex")
    assert 0 < meter.call.input_bytes < 60


def test_the_size_of_a_conversation(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Text is measured; what Bedrock fetches or runs by itself counts as media, and so do pictures."""
    simulator.replay(body=ANSWER)
    content: list[Any] = [
        {"text": "x" * 500},
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG" * 1_000}}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/clip.mp4"}}}},
        {"document": {"format": "txt", "name": "notes", "source": {"text": "y" * 400}}},
    ]
    client.converse(
        modelId="amazon.nova-pro-v1:0",
        messages=[{"role": "user", "content": content}],
        system=[{"text": "z" * 300}],
        toolConfig={"tools": [{"systemTool": {"name": "nova_grounding"}}]},
        serviceTier={"type": "priority"},
    )
    assert meter.call.media_items == 3
    assert 1_200 <= meter.call.input_bytes < 1_200 + 2_400 + 400
    assert (meter.call.request.max_output_tokens, meter.call.request.service_tier) == (None, "priority")


def test_a_file_is_left_for_botocore_to_read(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A body that is a file arrives whole; its size counts as media."""
    simulator.replay(body=INVOKED)
    client.invoke_model(modelId=CLAUDE, body=io.BytesIO(INVOKE["body"].encode()))["body"].read()
    assert simulator.requests[0].body == json.loads(INVOKE["body"])
    assert meter.call.media_items == 1
    assert meter.call.usage.counts() == MESSAGE_COUNTS


# How answers are read.


def _into(body: Any) -> bytes:
    buffer = bytearray(100)
    whole = b""
    while count := body.readinto(buffer):
        whole += buffer[:count]
    return whole


def _within(body: Any, read: Callable[[Any], bytes]) -> bytes:
    with body as raw:
        return read(raw)


READS: Final[dict[str, Callable[[Any], bytes]]] = {
    "read": lambda body: body.read(),
    "read in parts": lambda body: b"".join(iter(lambda: body.read(100), b"")),
    "read its length": lambda body: body.read(len(LINES)),
    "read and again": lambda body: body.read(0) + body.read(100) + body.read(),
    "iterate": b"".join,
    "chunks": lambda body: b"".join(body.iter_chunks(64)),
    "lines": lambda body: b"\n".join(body.iter_lines(64)),
    "readlines": lambda body: b"".join(body.readlines()),
    "readinto": _into,
    "buffered": lambda body: io.BufferedReader(body).read(),
    "within": lambda body: _within(body, lambda raw: raw.read()),
    "within, in parts": lambda body: _within(body, lambda raw: b"".join(iter(lambda: raw.read(100), b""))),
    "within, streamed": lambda body: _within(body, lambda raw: b"".join(raw.stream(64))),
    "within, itself": lambda body: _within(body, lambda _: body.read()),
}


@pytest.mark.parametrize("how", READS)
def test_a_body_may_be_read_in_any_way(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator, how: str
) -> None:
    """Whoever reads it gets every byte, and usage is read from them, once."""
    simulator.replay(body=LINES)
    body = client.invoke_model(**INVOKE)["body"]
    assert isinstance(body, StreamingBody)
    assert meter.call.ends == []
    assert READS[how](body) == LINES
    assert meter.call.usage.counts() == MESSAGE_COUNTS
    assert meter.call.ended
    assert (type(body), sorted(vars(body))) == (StreamingBody, ["_amount_read", "_content_length", "_raw_stream"])


@pytest.mark.parametrize("leave", ["dropped", "closed", "in a block"])
def test_a_body_that_is_not_read_is_told_by_the_headers(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator, leave: str
) -> None:
    """The model has answered, and Bedrock's headers say what that used."""
    simulator.replay(body=INVOKED, headers=HEADERS)
    answer = client.invoke_model(**INVOKE)
    if leave == "closed":
        answer["body"].close()
    elif leave == "in a block":
        with answer["body"]:
            pass
    del answer
    assert meter.call.usage.counts() == {"input_tokens": 5, "output_tokens": 10}
    assert (meter.call.reading.complete, meter.call.reading.region) == (True, REGION)
    assert meter.call.aborted


def test_without_headers_it_is_estimated(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Then what was asked is all that is known."""
    simulator.replay(body=INVOKED)
    client.invoke_model(**INVOKE)["body"].close()
    assert meter.call.reading.estimated
    assert meter.call.usage.input_tokens > 0


def test_a_body_that_breaks_off(bedrock: Bedrock) -> None:
    """The error is the one that the bare client raises; the headers say what was used."""
    client, meter, simulator = bedrock
    told = []
    for each in (open_client(simulator.url), client):
        simulator.replay(body=INVOKED, headers=HEADERS, break_after=1)
        body = each.invoke_model(**INVOKE)["body"]
        with pytest.raises(ResponseStreamingError) as caught:
            body.read()
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert meter.call.ends == [(caught.value, False)]
    assert meter.call.usage.counts() == {"input_tokens": 5, "output_tokens": 10}


def test_headers_count_where_a_body_has_no_usage(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Mistral's, Cohere's and AI21's answers have none; the service tier is a header as well."""
    simulator.replay(body=b'{"outputs": [{"text": "x"}]}', headers={**HEADERS, "X-Amzn-Bedrock-Service-Tier": "flex"})
    client.invoke_model(modelId="mistral.mistral-large-2402-v1:0", body='{"prompt": "Hi"}')["body"].read()
    assert meter.call.usage.counts() == {"input_tokens": 5, "output_tokens": 10}
    assert meter.call.reading.service_tier == "flex"
    assert meter.call.ended


def test_a_stream_stays_what_it_is(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """A stream is botocore's by class and name, with all of its attributes."""
    streamed(simulator, *FRAMES)
    stream = client.converse_stream(**CONVERSE)["stream"]
    assert isinstance(stream, EventStream)
    assert type(stream).__name__ == "EventStream"
    assert list(stream)[-1]["metadata"]["usage"]["outputTokens"] == 121
    assert list(stream) == []
    assert meter.call.ended


def test_a_loop_may_be_left_and_entered_again(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Botocore lets callers go on with the same stream, so leaving a loop is not its end."""
    streamed(simulator, *FRAMES)
    stream = client.converse_stream(**CONVERSE)["stream"]
    for _ in stream:
        break
    assert meter.call.ends == []
    assert len(list(stream)) == len(FRAMES) - 1
    assert meter.call.usage.counts() == CONVERSE_COUNTS
    assert meter.call.ended


@pytest.mark.parametrize("operation", ["converse_stream", "invoke_model_with_response_stream"])
def test_leaving_at_the_last_event_is_the_end(
    client: Any, meter: RecordingMeter, simulator: ProviderSimulator, operation: str
) -> None:
    """Whoever stops once usage has come leaves nothing to be estimated, and the call does not wait for more."""
    converse = operation == "converse_stream"
    streamed(simulator, *(FRAMES if converse else CHUNKS))
    stream = client.converse_stream(**CONVERSE)["stream"] if converse else client.invoke_model_with_response_stream(
        **INVOKE
    )["body"]  # fmt: skip
    for number, _ in enumerate(stream, start=1):
        if number == len(FRAMES if converse else CHUNKS):
            break
    assert meter.call.usage.counts() == (CONVERSE_COUNTS if converse else STREAM_COUNTS)
    assert meter.call.ended
    stream.close()


def test_a_dropped_stream_ends_at_once(client: Any, meter: RecordingMeter, simulator: ProviderSimulator) -> None:
    """Nobody has to wait for the garbage collector: a stream that is let go of ends its call there and then."""
    streamed(simulator, *FRAMES, chunk_delay_ms=20)
    for event in client.converse_stream(**CONVERSE)["stream"]:
        if "contentBlockDelta" in event:
            break
    assert meter.call.aborted
    assert meter.call.usage.output_tokens == -(-len("Deep and ") // 4)
    assert (meter.call.reading.estimated, meter.call.reading.complete) == (True, False)


@pytest.mark.parametrize(("before", "estimates"), [(0, []), (2, [True])])
def test_an_exception_in_a_stream(bedrock: Bedrock, before: int, estimates: list[bool]) -> None:
    """It is raised as the bare client raises it. Where the model had said something, that is estimated."""
    client, meter, simulator = bedrock
    failure = frame({"message": "The model failed."}, "modelStreamErrorException", "exception")
    told = []
    for each in (open_client(simulator.url), client):
        streamed(simulator, *FRAMES[:before], failure)
        stream = each.converse_stream(**CONVERSE)["stream"]
        with pytest.raises(EventStreamError) as caught:
            list(stream)
        told.append((str(caught.value), caught.value.response))
        stream.close()
    assert told[0] == told[1]
    assert meter.call.ends == [(caught.value, False)]
    assert [reading.estimated for reading in meter.call.readings] == estimates
