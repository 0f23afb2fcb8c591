"""What the tests of every vendor's client share: a meter that keeps what it is told."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ai_cost_calc.providers import settle_dropped
from tests.providers.seams.recording import RecordingMeter


@pytest.fixture
def meter() -> Iterator[RecordingMeter]:
    """A meter; a fault that was swallowed fails the test, and so does a call that did not end exactly once."""
    recording = RecordingMeter()
    yield recording
    if not all(call.ends for call in recording.calls):
        gc.collect()
    settle_dropped()
    if not recording.expects_faults:
        assert recording.faults == []
    assert [len(call.ends) for call in recording.calls] == [1] * len(recording.calls)
