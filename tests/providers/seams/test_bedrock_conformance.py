"""boto3's clients for Bedrock keep every provider's promises, in all four operations that spend tokens."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.providers.readers.bodies import CONVERSE_COUNTS, EVENT_STREAM, MESSAGE_COUNTS
from tests.providers.seams.bedrock import (
    CHUNKS,
    CLAUDE,
    CONVERSE,
    CONVERSED,
    ERROR,
    FRAMES,
    INVOKE,
    INVOKED,
    NOVA,
    STREAM_COUNTS,
    open_client,
)
from tests.providers.seams.conformance import Case, ClientConformance


def invoked(client: Any) -> Any:
    """What a model answered, in its own shape."""
    return json.load(client.invoke_model(**INVOKE)["body"])


CASES: Final = [
    Case(
        name="converse",
        open=open_client,
        ask=lambda client: client.converse(**CONVERSE),
        answer=json.dumps(CONVERSED).encode(),
        usage=CONVERSE_COUNTS,
        provider="aws",
        model=NOVA,
        api="converse",
        stream=lambda client: client.converse_stream(**CONVERSE)["stream"],
        events=b"".join(FRAMES),
        events_type=EVENT_STREAM,
        error=ERROR,
    ),
    Case(
        name="invoke",
        open=open_client,
        ask=invoked,
        answer=INVOKED,
        usage=MESSAGE_COUNTS,
        provider="aws",
        model=CLAUDE,
        api="invoke",
        stream=lambda client: client.invoke_model_with_response_stream(**INVOKE)["body"],
        events=b"".join(CHUNKS),
        events_type=EVENT_STREAM,
        streamed=STREAM_COUNTS,
        error=ERROR,
    ),
]


@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")  # so does a bare dropped stream
class TestBedrock(ClientConformance):
    """Converse and InvokeModel, whole and streamed."""

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request: pytest.FixtureRequest) -> Case:
        """What is tested."""
        case: Case = request.param
        return case
