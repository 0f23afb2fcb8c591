"""Framing: bodies come in pieces cut anywhere, and read the same as in one piece."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import (
    CHAT_COUNTS,
    CHAT_USAGE,
    EVENT_STREAM,
    MESSAGE_COUNTS,
    SSE,
    chat,
    chat_stream,
    chunk,
    counts,
    fed,
    frame,
    json_lines,
    message_stream,
    pieces,
    response,
    sse,
    wrapped,
)

BODIES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "chat": (json.dumps(chat(), ensure_ascii=False).encode(), {"provider": "openai", "api": "chat"}),
    "chat stream": (sse(*chat_stream()), {"content_type": SSE}),
    "carriage returns": (
        sse(*chat_stream(), end="\r\n\r\n"),
        {"provider": "openai", "api": "chat", "content_type": SSE},
    ),
    "old line ends": (sse(*chat_stream(), end="\r\r"), {"provider": "openai", "api": "chat"}),
    "keep-alive": (b" \r\n\n\n" + sse(*chat_stream()), {"content_type": SSE}),
    "byte order mark": (b"\xef\xbb\xbf" + sse(*chat_stream()), {}),
    "comments": (b": OPENROUTER PROCESSING\n\n" + sse(*chat_stream()), {"provider": "openrouter", "api": "chat"}),
    "named events": (sse(*message_stream(), named=True), {"provider": "anthropic"}),
    "event stream": (b"".join(map(wrapped, message_stream())), {"content_type": EVENT_STREAM}),
    "converse": (
        frame({"usage": {"inputTokens": 1, "outputTokens": 2}}, "metadata"),
        {"provider": "aws", "api": "converse"},
    ),
    "lines": (
        json_lines({"model": "l", "done": False}, {"done": True, "eval_count": 4}),
        {"api": "ollama", "provider": "ollama"},
    ),
    "array": (json.dumps([{"candidates": []}, {"usageMetadata": {"promptTokenCount": 3}}]).encode(), {}),
    "batch": (
        json_lines({"custom_id": "1", "response": {"body": response()}}),
        {"provider": "openai", "api": "batch_results"},
    ),
    "error": (b'{"error": {"message": "no"}}', {"content_type": SSE}),
    "html": (b"<html><body>502 Bad Gateway</body></html>", {}),
    "binary": (b"\x00\x00\x00\x20ftypM4A " + b"\x00" * 40, {}),
}


@pytest.mark.parametrize("name", BODIES)
@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_a_body_in_pieces_reads_as_in_one(name: str, cuts: list[int]) -> None:
    """Wherever chunks are cut, inside a line end or a character, the reading is the same."""
    body, known = BODIES[name]
    assert fed(pieces(body, cuts), **known) == read_usage(body, **known)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_byte_by_byte_reads_as_in_one(name: str) -> None:
    """The smallest pieces that there are."""
    body, known = BODIES[name]
    assert fed((body[i : i + 1] for i in range(len(body))), **known) == read_usage(body, **known)


@pytest.mark.parametrize(
    "name", ["chat stream", "carriage returns", "old line ends", "keep-alive", "byte order mark", "comments"]
)
def test_every_way_to_send_events_is_understood(name: str) -> None:
    """Line ends of all three kinds, comments, white space that keeps a connection alive, a byte order mark."""
    body, known = BODIES[name]
    reading = read_usage(body, **known)
    assert counts(reading) == CHAT_COUNTS
    assert reading.complete


def test_data_may_span_lines() -> None:
    """Several `data` lines of one event are one payload."""
    text = json.dumps(chunk(choices=[], usage=CHAT_USAGE), indent=1)
    body = "".join(f"data: {line}\n" for line in text.splitlines()) + "\n"
    assert counts(read_usage(body, content_type=SSE)) == CHAT_COUNTS


@pytest.mark.parametrize("end", ["", "\n", "\r"])
def test_the_last_event_needs_no_blank_line(end: str) -> None:
    """A server may close the connection right after it."""
    body = sse(chunk("a")) + b"data: " + json.dumps(chunk(choices=[], usage=CHAT_USAGE)).encode() + end.encode()
    assert counts(read_usage(body, content_type=SSE)) == CHAT_COUNTS


def test_fields_without_a_space_and_other_fields_are_understood() -> None:
    """The space after the colon is optional; ids, names and retries are passed over."""
    body = b"id: 1\nretry: 5\nevent: x\ndata:" + json.dumps(chunk(choices=[], usage=CHAT_USAGE)).encode() + b"\n\n"
    assert counts(read_usage(body)) == CHAT_COUNTS


def test_the_body_is_believed_before_its_content_type() -> None:
    """Servers and proxies mislabel: a document under a stream's type, a stream under a document's."""
    assert counts(read_usage(json.dumps(chat()), provider="openai", api="chat", content_type=SSE)) == CHAT_COUNTS
    assert counts(read_usage(sse(*chat_stream()), content_type="application/json")) == CHAT_COUNTS
    assert (
        counts(read_usage(b"".join(map(wrapped, message_stream())), content_type="application/json")) == MESSAGE_COUNTS
    )


def test_an_event_that_cannot_be_read_hides_no_other() -> None:
    """Garbage between events is passed over."""
    body = sse("not json", "{", chunk("a"), '"text"', "[1, 2]", chunk(choices=[], usage=CHAT_USAGE), "\x00")
    assert counts(read_usage(body, content_type=SSE)) == CHAT_COUNTS


def test_text_that_strict_parsers_refuse_is_read() -> None:
    """Some servers send half of a surrogate pair, NaN for a log probability, or bytes that are no UTF-8."""
    usage = json.dumps(CHAT_USAGE)
    for text in (b'"\\ud83d"', b"NaN", b'"\xff\xfe"'):
        body = (
            b'{"choices": [{"delta": {"content": '
            + text
            + b'}, "finish_reason": "stop"}], "usage": '
            + usage.encode()
            + b"}"
        )
        assert counts(read_usage(b"data: " + body + b"\n\n", content_type=SSE)) == CHAT_COUNTS
        assert counts(read_usage(body, provider="openai", api="chat")) == CHAT_COUNTS


def test_a_frame_that_lies_about_its_length_ends_the_stream() -> None:
    """Once frames are out of step nothing after can be trusted, and nothing is kept."""
    good = frame({"usage": {"inputTokens": 1}}, "metadata")
    bad = b"\xff\xff\xff\xff\x00\x00\x00\x00" + b"x" * 100
    reading = read_usage(good + bad + good, provider="aws", api="converse", content_type=EVENT_STREAM)
    assert counts(reading) == {"input_tokens": 1}
    cut = read_usage(good + good[:-5], provider="aws", api="converse", content_type=EVENT_STREAM)
    assert counts(cut) == {"input_tokens": 1}


def test_nothing_delivered_is_nothing_billed_unless_the_connection_broke() -> None:
    """An empty answer that ended says so; one that broke off leaves it open."""
    assert open_reader(provider="openai", api="chat").close().complete
    assert not open_reader(provider="openai", api="chat").close(ended=False).complete


def test_a_document_that_was_cut_off_is_not_known() -> None:
    """Half a document has no usage that could be trusted, and something may have been billed."""
    raw = json.dumps(chat()).encode()
    for cut in (1, len(raw) // 2, len(raw) - 1):
        reading = fed([raw[:cut]], provider="openai", api="chat", ended=False)
        assert (reading.usage, reading.complete) == (None, False)


def test_memory_does_not_grow_with_a_stream() -> None:
    """What is kept of 100,000 events is what is kept of one."""
    reader = open_reader(provider="openai", api="chat", content_type=SSE)
    events = sse(*(chunk("word ") for _ in range(100)))
    for _ in range(1000):
        reader.feed(events)
    kept = reader._kept
    assert reader.output_bytes == 500_000
    assert kept.choices is None
    assert len(json.dumps(kept.model)) < 100
