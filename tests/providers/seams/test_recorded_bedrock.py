"""What Bedrock really answered, asked for again through boto3: the seam reads what the reader reads of it."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers import provider_for, read_usage
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import EVENT_STREAM
from tests.providers.seams.bedrock import BODY, CONVERSE, REGION, open_client
from tests.providers.seams.exchanges import load, names, needs_recordings
from tests.providers.seams.recording import RecordingMeter

pytestmark = [pytest.mark.recorded, needs_recordings]

OPERATIONS: Final[dict[str, Any]] = {
    "converse": lambda client, model: client.converse(**{**CONVERSE, "modelId": model}),
    "converse-stream": lambda client, model: list(client.converse_stream(**{**CONVERSE, "modelId": model})["stream"]),
    "invoke": lambda client, model: client.invoke_model(modelId=model, body=BODY)["body"].read(),
    "invoke-with-response-stream": lambda client, model: list(
        client.invoke_model_with_response_stream(modelId=model, body=BODY)["body"]
    ),
}
"""How to ask, by the end of the path."""


def asked(name: str) -> tuple[str, str]:
    """The model and the operation of a recording; some were kept without their path."""
    path = load(name)["url_path"] or f"/model/{load(name)['model_hint'] or 'any.model'}/{name.split('/')[1]}"
    _, _, model, operation = path.split("/")
    return unquote(model), operation


@pytest.mark.parametrize("name", names("bedrock", OPERATIONS))
def test_the_seam_reads_what_the_reader_reads(name: str, simulator: ProviderSimulator, meter: RecordingMeter) -> None:
    """Usage, model and tier are those of the whole body; an error is not billed."""
    exchange = load(name)
    model, operation = asked(name)
    body = base64.b64decode(exchange["body"]) if exchange["body_encoding"] == "base64" else exchange["body"].encode()
    kind = EVENT_STREAM if operation.endswith("stream") else "application/json"
    simulator.replay(body=body, content_type=kind, status=exchange["status"], headers=exchange["headers"])
    client = open_client(simulator.url)
    provider_for(client).wrap(client, meter)
    failed: Any = None
    try:
        OPERATIONS[operation](client, model)
    except (ClientError, ResponseParserError) as error:  # one recording is not as the API describes it
        failed = error
    client.close()
    if failed is not None:
        assert exchange["status"] >= 300 or isinstance(failed, ResponseParserError)
        assert meter.call.readings == []
        return
    assert meter.call.ended
    url = f"https://bedrock-runtime.{REGION}.amazonaws.com/model/{model}/{operation}"
    headers = {name.lower(): value for name, value in exchange["headers"].items()}
    expected = read_usage(body, url=url, content_type=kind, model=model, headers=headers)
    assert meter.call.reading == expected
    assert expected.usage is not None
    if exchange["usage_complete"]:
        assert expected.usage == Usage(**exchange["expected_usage"])
