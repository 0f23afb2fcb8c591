"""Searches of Google and Google Maps, billed beside the tokens of the answer that they are for."""

from __future__ import annotations

from typing import Any

import pytest

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import SSE, counts, json_lines, sse

OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
WEB, MAPS = {"web": {"uri": "https://example.com"}}, {"maps": {"placeId": "places/1"}}
QUERIES = {"webSearchQueries": ["a", "b"]}
ON_MAPS = {"search": "maps"}


def answer(model: str, grounding: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer, grounded on this."""
    return {
        "candidates": [
            {"content": {"parts": [{"text": "Yes."}]}, "finishReason": "STOP", "groundingMetadata": grounding}
        ],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2},
        "modelVersion": model,
    }


def searched(reading: Reading) -> list[tuple[int, dict[str, str]]]:
    """How often, and where."""
    assert all(counts(each).keys() == {"web_searches"} for each in reading.also)
    return [(counts(each)["web_searches"], each.context) for each in reading.also]


@pytest.mark.parametrize(
    ("grounding", "old", "new"),
    [
        (QUERIES, [(1, {})], [(2, {})]),
        (QUERIES | {"groundingChunks": [WEB]}, [(1, {})], [(2, {})]),
        (QUERIES | {"groundingChunks": [MAPS]}, [(1, ON_MAPS)], [(2, ON_MAPS)]),
        ({"groundingChunks": [MAPS]}, [(1, ON_MAPS)], [(1, ON_MAPS)]),
        (QUERIES | {"groundingChunks": [WEB, MAPS]}, [(1, {}), (1, ON_MAPS)], [(2, {})]),
        (QUERIES | {"imageSearchQueries": ["c"], "groundingChunks": [{"image": {}}]}, [(1, {})], [(3, {})]),
        ({"groundingChunks": [{"retrievedContext": {"uri": "a"}}]}, [], []),
    ],
)
def test_what_was_found_tells_what_was_searched(grounding: dict[str, Any], old: Any, new: Any) -> None:
    """Google Maps has prices of its own, and its queries stand among those to Google Search."""
    for model, expected in ((OLD, old), (NEW, new)):
        whole = read_usage(answer(model, grounding), provider="google", api="generate_content")
        chunks = sse(answer(model), answer(model, grounding))
        assert searched(whole) == expected
        assert read_usage(chunks, provider="google", api="generate_content", content_type=SSE).also == whole.also


def test_searches_of_a_batch_are_kept_apart() -> None:
    """Answers of one model are one record, but those grounded on Google Maps do not cost what the others do."""
    lines = [
        {"key": str(index), "response": answer(OLD, QUERIES | {"groundingChunks": [found]})}
        for index, found in enumerate((WEB, MAPS, MAPS))
    ]
    reading = read_usage(json_lines(*lines), provider="google", api="batch_results")
    assert counts(reading) == {"input_tokens": 30, "output_tokens": 6, "web_searches": 1}
    assert searched(reading) == [(2, ON_MAPS)]


@pytest.mark.parametrize(("model", "searches"), [("gemini-live-2.5-flash", [1, 1]), ("gemini-3-flash-live", [2, 2])])
def test_searches_of_a_live_session(model: str, searches: list[int]) -> None:
    """Each turn says what was searched for it."""
    reader = open_reader(provider="google", api="live", model=model)
    for turn in (QUERIES, None, QUERIES):
        usage = {"promptTokenCount": 10, "responseTokenCount": 2}
        if turn is not None:
            reader.message({"serverContent": {"groundingMetadata": turn}})
        reader.message({"serverContent": {"turnComplete": True}, "usageMetadata": usage})
    reading = reader.close()
    assert counts(reading) == {"input_tokens": 30, "output_tokens": 6}
    assert searched(reading) == [(each, {}) for each in searches]


def test_tools_of_an_interaction_have_prices_of_their_own() -> None:
    """Looking into one's own files costs nothing more."""
    tools = {"google_search": 2, "google_maps": 3, "retrieval": 4}
    body = {
        "object": "interaction",
        "usage": {
            "total_input_tokens": 5,
            "grounding_tool_count": [{"type": name, "count": count} for name, count in tools.items()],
        },
    }
    for model, expected in ((OLD, [(1, {}), (1, ON_MAPS)]), (NEW, [(2, {}), (3, ON_MAPS)])):
        reading = read_usage(body | {"model": model}, provider="google", api="interactions")
        assert searched(reading) == expected
