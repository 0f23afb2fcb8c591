"""What is known of a request before it is sent: the size of its input, never its content."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage

from ai_cost_calc.core.media import HEAD_BYTES, Media
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.text import most_bytes
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers import _request as sizes
from ai_cost_calc.providers._media import KINDS, MOST_LOOKED_AT, media_of
from ai_cost_calc.providers._request import Input, Request, Sending, Size, estimated, measured, size_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=30,
)


@given(value=JSON)
@example(value={"\u00bc": None, "\U0001d400": None})
@example(value={"\u00bc" * 99: "\U0001d400" * 99})
def test_bytes_lie_between_text_and_json(value: Any) -> None:
    """The measure is at least the text inside and at most the JSON that is sent, whatever its shape."""

    def text_of(part: Any) -> int:
        if isinstance(part, str):
            return most_bytes(part)
        if isinstance(part, dict):
            return sum(text_of(name) + text_of(inner) for name, inner in part.items() if part.get("type") not in KINDS)
        return sum(map(text_of, part)) if isinstance(part, list) else 0

    size = measured([value]).text_bytes
    assert text_of(value) <= size
    assert size <= most_bytes(json.dumps(value, ensure_ascii=False)) + 1


MESSAGES: dict[str, tuple[Any, Size]] = {
    "text": ([{"role": "user", "content": "hello"}], Size(len("roleusercontenthello"), 0)),
    "not ascii": ([{"content": "fjørd 🚢"}], Size(len("content") + 11, 0)),
    "lone surrogate": (["\ud800"], Size(3, 0)),
    "image": (
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}],
        Size(0, 1, (Media(kind="image"),)),
    ),
    "document": (
        [{"type": "document", "source": {"type": "base64", "data": "A" * 10_000}}],
        Size(0, 1, (Media(kind="document"),)),
    ),
    "text document": (
        [{"type": "document", "source": {"type": "text", "data": "four"}}],
        Size(len("typedocumentsourcetypetextdatafour"), 0),
    ),
    "tool result with an image": (
        [{"type": "tool_result", "content": [{"type": "image", "source": {}}, {"type": "text", "text": "ok"}]}],
        Size(len("typetool_resultcontenttypetexttextok"), 1, (Media(kind="image"),)),
    ),
    "token ids": ([[1, 2, 3]], Size(3, 0)),
    "a schema with a property called type": ([{"type": {"type": "string"}}], Size(len("typetypestring"), 0)),
    "keys that are no strings": ([{1: "one"}], Size(4, 0)),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(case: str) -> None:
    """Text counts by its bytes, media by their number, framing by the names of its fields."""
    messages, size = MESSAGES[case]
    assert measured([messages]) == size


PNG = "iVBORw0KGgoAAAANSUhEUgAAASwAAADICAIAAADdvUsC"
"""The head of a picture of 300 x 200 pixels."""
RAW = base64.b64decode(PNG)
SEEN = Media(kind="image", width=300, height=200)
PARTS: dict[str, tuple[dict[str, Any], Media]] = {
    "chat": (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        Media(kind="image", width=300, height=200, detail="low"),
    ),
    "responses": (
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "original"},
        Media(kind="image", width=300, height=200, detail="original"),
    ),
    "messages": ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}, SEEN),
    "an address": ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, Media(kind="image")),
    "an id": ({"type": "input_image", "file_id": "file-abc", "detail": "high"}, Media(kind="image", detail="high")),
    "a wrong kind": ({"type": "document", "source": {"type": "base64", "data": PNG}}, SEEN),
    "raw bytes": ({"type": "image", "source": {"bytes": RAW}}, SEEN),
    "not ASCII": ({"type": "image", "source": {"type": "base64", "data": "bø"}}, Media(kind="image")),
    "Gemini": ({"inlineData": {"mimeType": "image/png", "data": PNG}}, SEEN),
    "Gemini, by its SDK": ({"inline_data": {"mime_type": "image/png", "data": RAW}, "text": None}, SEEN),
    "Gemini, in low resolution": (
        {"inline_data": {"data": RAW}, "media_resolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        Media(kind="image", width=300, height=200, detail="MEDIA_RESOLUTION_LOW"),
    ),
    "Gemini, an address": ({"file_data": {"mime_type": "video/mp4", "file_uri": "gs://b/a"}}, Media(kind="video")),
    "nothing": ({"type": "input_audio"}, Media(kind="audio")),
}


@pytest.mark.parametrize("case", PARTS)
def test_media_say_their_size(case: str) -> None:
    """Width, height and the detail asked for are read from each API's own form of a content part."""
    part, media = PARTS[case]
    assert media_of(part) == media
    assert measured([{"content": [part]}]) == Size(len("content"), 1, (media,))


@pytest.mark.parametrize(("filling", "pages"), [(10, 2), (HEAD_BYTES, 2), (MOST_LOOKED_AT, None)])
def test_pages_are_counted_in_files_of_modest_length(filling: int, pages: int | None) -> None:
    """A PDF is looked through to its end, unless it is so long that the call would wait for it."""
    page = b"1 0 obj <</Type /Page>> endobj\n"
    file = base64.b64encode(b"%PDF-1.4\n" + page + b"%" * filling + b"\n" + page).decode()
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{file}"}}
    assert media_of(part) == Media(kind="document", pages=pages)


def test_parts_of_googles_sdk_are_looked_into() -> None:
    """Its models name every kind of content; only what is there counts."""
    google = pytest.importorskip("google.genai.types", reason="google-genai is absent")
    picture = google.Part.from_bytes(data=RAW, mime_type="image/png")
    assert measured([[picture]]).media == (SEEN,)
    text = measured([[google.Part(text="hello")]])
    assert text.media_items == 0
    assert text.text_bytes >= len("texthello")


def test_bytes_in_a_request_are_looked_at() -> None:
    """Files that a client sends as they are say their size too; other bytes are of unknown size."""
    assert measured([{"content": [RAW, b"?"]}]) == Size(len("content"), 2, (Media(kind="other"), SEEN))


def test_models_that_the_caller_passes_back() -> None:
    """An SDK's message object measures like the dictionary it stands for."""
    message = ChatCompletionMessage(role="assistant", content="hello")
    assert measured([[message]]).text_bytes >= len("roleassistantcontenthello")
    assert measured([[message]]).media_items == 0


def test_iterators_are_left_for_the_request() -> None:
    """What can be read only once is not read: it counts as something whose size is not known."""
    once = (str(number) for number in range(3))
    assert measured([{"content": once}]) == Size(len("content"), 1, (Media(kind="other"),))
    assert list(once) == ["0", "1", "2"]


def test_input_that_refers_to_itself() -> None:
    """A body that no encoder would take does not hang the measuring either."""
    knot: list[Any] = []
    knot.append(knot)
    assert measured([knot]).media_items == 1


def test_stored_input_counts_as_unbounded() -> None:
    """What the provider keeps from before is input too, of a size that is not known."""
    body = {
        "model": "gpt-5",
        "input": "Hi.",
        "previous_response_id": "resp_1",
        "temperature": 0.1,
        "metadata": {"a": "b"},
    }
    assert size_of(body) == Size(len("Hi.") + len("resp_1"), 1)
    assert size_of({"input": "Hi.", "conversation": None}).media_items == 0


def test_tools_that_the_provider_runs_count_as_unbounded() -> None:
    """What a hosted tool finds becomes input too; the caller's own tools are measured like any other text."""
    own = {"type": "function", "name": "tide"}
    assert size_of({"tools": [own, {"name": "tide"}]}).media_items == 0
    assert size_of({"tools": [own, {"type": "web_search"}, {"type": "code_execution_20250825"}]}).media_items == 2
    assert size_of({"tools": "none"}).media_items == 0


def holds(measured_input: Input) -> bool:
    """Whether the content of a request can still be reached."""
    return measured_input._body is not None


def test_input_is_measured_once_and_let_go() -> None:
    """Nothing is measured until somebody asks, and nothing of the request is kept afterwards."""
    body = {"input": "Hi.", "tools": [{"type": "web_search"}]}
    measured_input = Input(body, files=[b"a", b"b"], framing=10)
    request = Request(provider="openai", input=measured_input)
    assert holds(measured_input)
    assert request.media_items == 3
    assert not holds(measured_input)
    assert request.input_bytes == len("Hi.typeweb_search") + 10
    forgotten = Request(provider="openai", input=Input(body))
    forgotten.input.let_go()
    assert not holds(forgotten.input)
    assert forgotten.input_bytes == 0


def sent(**more: Any) -> Sending:
    """A call of 401 bytes of input."""
    return Sending(CallRequest(provider="openai", model="gpt-4o", input_bytes=401, media_items=2), None, b"", **more)


def test_usage_that_was_never_reported() -> None:
    """Input follows from the request and output from the text that came, rounded up; both are marked."""
    reading = estimated(Reading(provider="openai", complete=False), sent(), 9)
    assert reading.usage == Usage(input_tokens=101 + 2 * sizes.MEDIA_TOKENS, output_tokens=3)
    assert (reading.model, reading.complete, reading.estimated) == ("gpt-4o", False, True)


def test_media_of_known_size_are_estimated_by_their_rule() -> None:
    """Of three things whose usage was never reported, the picture counts by its size, the others by a guess."""
    request = CallRequest(provider="openai", model="gpt-4o", media_items=3, media=(SEEN, Media(kind="other")))
    usage = estimated(Reading(complete=False), Sending(request, None, b""), 0).usage
    assert usage == Usage(input_tokens=255 + 2 * sizes.MEDIA_TOKENS)


def test_what_was_reported_stands() -> None:
    """Counts that were reported before a stream was cut are kept, output at least what was seen."""
    known = Reading(usage=Usage(input_tokens=5, output_tokens=1), model="claude-opus-4-8", complete=False)
    assert estimated(known, sent(), 40).usage == Usage(input_tokens=5, output_tokens=10)
    assert estimated(known, sent(), 0).usage == known.usage
    final = Reading(usage=Usage(input_tokens=5, output_tokens=1))
    assert estimated(final, sent(), 40) is final


@pytest.mark.parametrize("more", [{"background": True}, {"polls": True}])
def test_answers_made_elsewhere_are_not_estimated(more: dict[str, bool]) -> None:
    """An answer that is still being made reports its usage later."""
    open_end = Reading(complete=False)
    assert estimated(open_end, sent(**more), 40) is open_end
