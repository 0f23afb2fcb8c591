"""Google's APIs, on the Gemini API and on Vertex AI."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_cost_calc.providers.readers import open_reader, read_usage
from tests.providers.readers.bodies import SSE, chat, counts, fed, json_lines, sse

GEMINI = "https://generativelanguage.googleapis.com/v1beta/"
VERTEX = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/"

METADATA = {
    "promptTokenCount": 328,
    "cachedContentTokenCount": 220,
    "candidatesTokenCount": 39,
    "thoughtsTokenCount": 100,
    "toolUsePromptTokenCount": 61,
    "totalTokenCount": 528,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "DOCUMENT", "tokenCount": 258}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 47}, {"modality": "DOCUMENT", "tokenCount": 173}],
    "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 61}],
    "serviceTier": "FLEX",
}
COUNTS = {
    "input_tokens": 389,
    "output_tokens": 139,
    "cache_read_tokens": 220,
    "output_reasoning_tokens": 100,
    "input_tool_tokens": 61,
    "input_text_tokens": 131,
    "input_image_tokens": 258,
    "cache_text_read_tokens": 47,
    "cache_image_read_tokens": 173,
}


def answer(metadata: dict[str, Any] | None = None, *, finish: str | None = "STOP", text: str = "Hi") -> dict[str, Any]:
    """An answer of `generateContent`, or one chunk of a stream."""
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "usageMetadata": METADATA if metadata is None else metadata,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "resp-1",
    }


def test_thoughts_are_output_and_tool_prompts_are_input() -> None:
    """Candidates exclude thoughts, the prompt excludes what tools added: both are billed, so both are counted."""
    reading = read_usage(json.dumps(answer()), url=f"{GEMINI}models/gemini-2.5-flash:generateContent")
    assert counts(reading) == COUNTS
    assert (reading.provider, reading.model, reading.service_tier) == ("google", "gemini-2.5-flash", "flex")
    assert reading.response_id == "resp-1"


def test_modalities_may_be_numbers() -> None:
    """Where gRPC messages were turned into JSON, enumerations come as numbers."""
    details = [{"modality": 1, "tokenCount": 5}, {"modality": 4, "tokenCount": 7}, {"modality": [], "tokenCount": 1}]
    metadata = {"promptTokenCount": 13, "promptTokensDetails": details, "trafficType": 1}
    assert counts(read_usage(answer(metadata), provider="vertex", api="generate_content")) == {
        "input_tokens": 13,
        "input_text_tokens": 5,
        "input_audio_tokens": 7,
    }


@pytest.mark.parametrize("modality", [{}, {"modality": None}, {"modality": "MODALITY_UNSPECIFIED"}, {"modality": 0}])
def test_what_has_no_modality_is_text(modality: dict[str, object]) -> None:
    """So the protocol says; one that nothing here knows is counted in the total alone."""
    details = [modality | {"tokenCount": 6}, {"modality": "AUDIO", "tokenCount": 3}, {"modality": 99, "tokenCount": 1}]
    usage = {"promptTokenCount": 10, "promptTokensDetails": details}
    reading = read_usage({"usageMetadata": usage}, url=f"{GEMINI}models/gemini-3-flash:generateContent")
    assert counts(reading) == {"input_tokens": 10, "input_text_tokens": 6, "input_audio_tokens": 3}


def test_tokens_of_video_in_an_answer_are_told_apart() -> None:
    """They have a price of their own, whichever API made the film."""
    details = [{"modality": "VIDEO", "tokenCount": 480}, {"modality": "TEXT", "tokenCount": 20}]
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 500, "candidatesTokensDetails": details}
    parts = {"input_tokens": 10, "output_tokens": 500, "output_video_tokens": 480, "output_text_tokens": 20}
    reading = read_usage({"usageMetadata": usage}, url=f"{GEMINI}models/gemini-omni-1.1-flash:generateContent")
    assert (counts(reading), reading.anomaly) == (parts, None)
    by_modality = [{"modality": "video", "tokens": 480}, {"modality": "text", "tokens": 20}]
    usage = {"total_input_tokens": 10, "total_output_tokens": 500, "output_tokens_by_modality": by_modality}
    reading = read_usage({"object": "interaction", "usage": usage}, url=f"{GEMINI}interactions")
    assert (counts(reading), reading.anomaly) == (parts, None)


def test_the_last_counts_of_a_stream_win() -> None:
    """Every chunk repeats running totals, except on Vertex AI, where only the last chunk has any."""
    first = answer({"promptTokenCount": 328, "candidatesTokenCount": 5}, finish=None)
    bare = answer({"trafficType": "ON_DEMAND"}, finish=None)
    for events in ([first, answer()], [bare, answer()], [answer(finish=None), answer({"trafficType": "ON_DEMAND"})]):
        reading = read_usage(sse(*events), url=f"{GEMINI}models/g:streamGenerateContent?alt=sse", content_type=SSE)
        assert counts(reading) == COUNTS
        assert reading.complete
    cut = fed([sse(first)], url=f"{GEMINI}models/g:streamGenerateContent", content_type=SSE, ended=False)
    assert counts(cut) == {"input_tokens": 328, "output_tokens": 5}
    assert not cut.complete


def test_a_stream_may_be_one_json_array() -> None:
    """Without `alt=sse` the chunks come as the elements of an array."""
    body = json.dumps([answer({"promptTokenCount": 1}, finish=None), answer()])
    reading = read_usage(body, url=f"{VERTEX}models/g:streamGenerateContent", content_type="application/json")
    assert counts(reading) == COUNTS
    assert (reading.complete, reading.region) == (True, "us-central1")


def test_text_of_chunks_is_counted() -> None:
    """For a caller who leaves early, the bytes seen bound what was answered."""
    reader = open_reader(provider="google", api="generate_content", content_type=SSE)
    reader.feed(sse(answer(finish=None, text="Grüße"), answer(finish=None, text="!")))
    assert reader.output_bytes == len("Grüße!".encode())


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-pro-preview", 2)])
def test_grounding_is_billed_on_top(model: str, searches: int) -> None:
    """Up to Gemini 2.5 per grounded prompt, from Gemini 3 on per query."""
    body = answer() | {"modelVersion": model}
    body["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}
    reading = read_usage(body, provider="google", api="generate_content")
    assert counts(reading) == COUNTS
    assert [(each.model, counts(each)) for each in reading.also] == [(model, {"web_searches": searches})]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            f"{GEMINI}models/gemini-embedding-2:embedContent",
            {"usageMetadata": {"promptTokenCount": 7}},
            {"input_tokens": 7},
        ),
        (
            f"{VERTEX}models/text-embedding-005:predict",
            {"predictions": [{"embeddings": {"statistics": {"token_count": n}}} for n in (5, 6)]},
            {"input_tokens": 11},
        ),
        (
            f"{VERTEX}models/gemini-embedding-2:batchEmbedContents",
            {"embeddings": [{"values": [0.1], "statistics": {"token_count": n}} for n in (5.0, 6.0)]},
            {"input_tokens": 11},
        ),
    ],
)
def test_embeddings_report_tokens_in_three_ways(path: str, body: dict[str, Any], expected: dict[str, int]) -> None:
    """The Gemini API has usage metadata, Vertex AI statistics of each embedding; the path names the model."""
    reading = read_usage(json.dumps(body), url=path)
    assert counts(reading) == expected
    assert reading.model == path.rpartition("/")[2].partition(":")[0]


def test_embeddings_without_counts_are_not_known() -> None:
    """Older models report nothing, which is not the same as nothing."""
    reading = read_usage('{"embeddings": [{"values": [0.1]}]}', url=f"{GEMINI}models/gemini-embedding-001:embedContent")
    assert (reading.usage, reading.complete) == (None, False)


@pytest.mark.parametrize("path", ["models/g:countTokens", "cachedContents", "models/g", "batches/b"])
def test_what_is_not_billed_by_tokens_has_no_usage(path: str) -> None:
    """Counting is free; caches are billed by the hour."""
    reading = read_usage('{"totalTokens": 31, "usageMetadata": {"promptTokenCount": 1}}', url=GEMINI + path)
    assert (reading.usage, reading.complete) == (None, True)


def test_the_compatible_api_hides_thinking_in_the_total() -> None:
    """What the total has beyond prompt and completion was thought, and is billed as output."""
    usage = {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}
    reading = read_usage(json.dumps(chat(usage)), url=f"{GEMINI}openai/chat/completions")
    assert counts(reading) == {"input_tokens": 35, "output_tokens": 74, "output_reasoning_tokens": 62}


INTERACTION = {
    "id": "v1_1",
    "object": "interaction",
    "status": "completed",
    "model": "gemini-2.5-flash",
    "service_tier": "standard",
    "usage": {
        "total_input_tokens": 22,
        "input_tokens_by_modality": [{"modality": "text", "tokens": 12}, {"modality": "image", "tokens": 10}],
        "total_cached_tokens": 4,
        "total_output_tokens": 973,
        "total_tool_use_tokens": 129,
        "tool_use_tokens_by_modality": [{"modality": "text", "tokens": 129}],
        "total_thought_tokens": 249,
        "grounding_tool_count": [{"type": "google_search", "count": 1}],
    },
}
INTERACTION_COUNTS = {
    "input_tokens": 151,
    "output_tokens": 1222,
    "cache_read_tokens": 4,
    "output_reasoning_tokens": 249,
    "input_tool_tokens": 129,
    "input_text_tokens": 141,
    "input_image_tokens": 10,
}


def test_interactions_have_names_of_their_own() -> None:
    """Whole or streamed, the counts add up as they do elsewhere."""
    whole = read_usage(json.dumps(INTERACTION), url=f"{GEMINI}interactions")
    running = INTERACTION["usage"] | {"total_output_tokens": 1}  # type: ignore[operator]
    events = [
        {"event_type": "interaction.created", "interaction": {"id": "v1_1", "status": "in_progress"}},
        {"event_type": "step.delta", "delta": {"type": "text", "text": "Hi"}, "metadata": {"usage": running}},
        {"event_type": "interaction.completed", "interaction": INTERACTION},
    ]
    streamed = read_usage(sse(*events), url=f"{GEMINI}interactions", content_type=SSE)
    assert whole == streamed
    assert counts(whole) == INTERACTION_COUNTS
    assert [counts(each) for each in whole.also] == [{"web_searches": 1}]
    cut = fed([sse(*events[:2])], url=f"{GEMINI}interactions", content_type=SSE, ended=False)
    assert (counts(cut)["output_tokens"], cut.complete) == (250, False)


def test_turns_of_a_live_session_add_up() -> None:
    """Counts run up within a turn; when it is complete, the next starts from nothing."""
    reader = open_reader(provider="google", api="live", model="gemini-live-2.5-flash")
    half = {"promptTokenCount": 100, "responseTokenCount": 5, "thoughtsTokenCount": 2}
    full = half | {"responseTokenCount": 51, "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 51}]}
    for turn in range(2):
        reader.message(json.dumps({"usageMetadata": half, "serverContent": {}}))
        reader.message(json.dumps({"usageMetadata": full, "serverContent": {"turnComplete": not turn}}))
    assert counts(reader.close()) == {
        "input_tokens": 200,
        "output_tokens": 106,
        "output_reasoning_tokens": 4,
        "output_audio_tokens": 102,
    }


def test_lines_of_a_batch_hold_answers() -> None:
    """A result file of the Batch API has one answer a line."""
    lines = [{"key": "1", "response": answer()}, {"key": "2", "error": {"code": 400}}]
    reading = read_usage(json_lines(*lines), provider="google", api="batch_results")
    assert counts(reading) == COUNTS
    assert (reading.model, reading.service_tier) == ("gemini-2.5-flash", "batch")


@pytest.mark.parametrize(
    ("traffic", "tier"),
    [("ON_DEMAND", None), ("ON_DEMAND_PRIORITY", "priority"), ("ON_DEMAND_OFFPEAK", "offpeak"), (1, None)],
)
def test_the_traffic_type_is_the_tier_on_vertex(traffic: object, tier: str | None) -> None:
    """Vertex AI names the tier that was billed by its traffic type."""
    metadata = {"promptTokenCount": 1, "trafficType": traffic}
    assert read_usage(answer(metadata), provider="google", api="generate_content").service_tier == tier
    assert read_usage({"usageMetadata": metadata}, provider="google", api="live").service_tier == tier


def test_the_path_names_the_place_where_the_host_does_not() -> None:
    """Behind a gateway, Vertex AI's path tells where the model runs; `global` is no place."""
    for location, region in (("europe-west4", "europe-west4"), ("global", None)):
        for model in ("publishers/google/models/gemini-2.5-flash", "endpoints/1234"):
            url = f"http://127.0.0.1:9/v1beta1/projects/p/locations/{location}/{model}:generateContent"
            reading = read_usage(json.dumps(answer()), provider="google", url=url)
            assert (reading.region, reading.model) == (region, "gemini-2.5-flash")


def test_images_are_counted() -> None:
    """Imagen reports no usage: what was made is counted, what a filter took out is not, and nothing is not known."""
    url = f"{VERTEX}models/imagen-4.0-generate-001:predict"
    image = {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}
    body: dict[str, Any] = {"predictions": [image, {"raiFilteredReason": "filtered"}, image]}
    reading = read_usage(json.dumps(body), url=url)
    assert (counts(reading), reading.model) == ({"images": 2}, "imagen-4.0-generate-001")
    for body in ({"predictions": [{"imageEmbedding": [0.1]}]}, {}):
        reading = read_usage(json.dumps(body), url=url)
        assert (reading.usage, reading.complete) == (None, False)


def test_running_totals_of_an_interaction_have_four_places() -> None:
    """What was used so far comes beside a step, under two names, at its end, or with an update of the status."""
    usage = {"total_input_tokens": 9, "total_output_tokens": 3}
    for told in (
        {"event_type": "step.delta", "metadata": {"usage": usage}},
        {"event_type": "step.delta", "metadata": {"total_usage": usage}},
        {"event_type": "step.stop", "index": 0, "usage": usage, "step_usage": {"total_input_tokens": 2}},
        {"event_type": "interaction.status_update", "interaction_id": "v1_1", "usage": usage},
    ):
        cut = fed([sse(told)], url=f"{GEMINI}interactions", content_type=SSE, ended=False)
        assert (counts(cut), cut.complete) == ({"input_tokens": 9, "output_tokens": 3}, False)


@pytest.mark.parametrize(
    "last",
    [
        {"event_type": "interaction.cancelled"},
        {"event_type": "interaction.completed"},
        *(
            {"event_type": "interaction.status_update", "interaction_id": "v1_1", "status": status}
            for status in ("completed", "failed", "cancelled", "incomplete", "budget_exceeded")
        ),
    ],
    ids=lambda event: event.get("status") or event["event_type"],
)
def test_an_interaction_that_ends_early_has_final_counts(last: dict[str, Any]) -> None:
    """Whichever way it ends, what the ending says was used is all (google-genai 3.6.1, `interactioncancelledevent`)."""
    begun = {"event_type": "interaction.created", "interaction": {"id": "v1_1", "model": "gemini-3-flash"}}
    usage = {"total_input_tokens": 9, "total_output_tokens": 3, "initial_input_tokens": 4}
    reading = read_usage(sse(begun, last | {"usage": usage}), url=f"{GEMINI}interactions", content_type=SSE)
    assert (counts(reading), reading.complete) == ({"input_tokens": 9, "output_tokens": 3}, True)
    assert (reading.model, reading.response_id) == ("gemini-3-flash", "v1_1")


def test_a_voice_is_billed_by_the_usage_that_it_is_made_with() -> None:
    """It counts as an interaction does, wherever it comes from (google-genai 3.6.1, `voice_output`)."""
    body = {"id": "voice_1", "type": "prompted", "model": "gemini-voice", "usage": INTERACTION["usage"]}
    ways: list[dict[str, Any]] = [{"url": f"{GEMINI}voices"}, {"provider": "google"}, {}]
    for known in ways:
        reading = read_usage(json.dumps(body), **known)
        assert (counts(reading), reading.model) == (INTERACTION_COUNTS, "gemini-voice")
        assert reading.provider == "google"


def test_an_agent_is_the_model_of_its_interaction() -> None:
    """An agent's interaction names no model; thoughts and arguments of its stream are bytes of the answer."""
    body = {"id": "v1_2", "object": "interaction", "agent": "deep-research-pro", "usage": INTERACTION["usage"]}
    assert read_usage(json.dumps(body), url=f"{GEMINI}interactions").model == "deep-research-pro"
    reader = open_reader(provider="google", api="interactions", content_type=SSE)
    for delta in ({"text": "Hi"}, {"content": {"text": "Hm"}}, {"arguments": "{}"}):
        reader.feed(sse({"event_type": "step.delta", "delta": delta}))
    assert reader.output_bytes == 6


def test_decisions_count_as_interactions_do() -> None:
    """The answers to questions about one context have the same usage."""
    reading = read_usage(json.dumps({"answers": {}, "usage": INTERACTION["usage"]}), url=f"{GEMINI}decisions")
    assert counts(reading) == INTERACTION_COUNTS


def batch(state: str, **output: Any) -> dict[str, Any]:
    """A batch of the Gemini API, as its operation shows it."""
    told = {"model": "models/gemini-2.5-flash", "state": state}
    return {"name": "batches/b1", "metadata": told | ({"output": output} if output else {})}


@pytest.mark.parametrize("path", ["batches/b1", "models/gemini-2.5-flash:batchGenerateContent"])
def test_answers_inside_a_batch_add_up(path: str) -> None:
    """All answers are billed at the batch rate, under the batch's name; failed requests are not."""
    answers = [{"response": answer()}, {"error": {"code": 13}}, {"response": answer()}]
    body = batch("BATCH_STATE_SUCCEEDED", inlinedResponses={"inlinedResponses": answers})
    reading = read_usage(json.dumps(body), url=GEMINI + path)
    assert counts(reading) == {name: 2 * count for name, count in COUNTS.items()}
    assert (reading.model, reading.service_tier, reading.response_id) == ("gemini-2.5-flash", "batch", "batches/b1")


def test_embeddings_inside_a_batch_have_counts_of_their_own() -> None:
    """Each embedding says how many tokens it took; the batch names the model."""
    answers = [{"response": {"embedding": {"values": [0.1]}, "tokenCount": n}} for n in ("5", 6)]
    body = batch("BATCH_STATE_SUCCEEDED", inlinedEmbedContentResponses={"inlinedResponses": answers})
    reading = read_usage(json.dumps(body), url=f"{GEMINI}models/gemini-embedding-2:asyncBatchEmbedContent")
    assert (counts(reading), reading.model) == ({"input_tokens": 11}, "gemini-2.5-flash")


VERTEX_BATCH = "projects/1/locations/us-central1/batchPredictionJobs/7"


@pytest.mark.parametrize(
    ("body", "found_under", "complete"),
    [
        (batch("BATCH_STATE_PENDING"), "batches/b1", True),
        (batch("BATCH_STATE_FAILED"), None, True),
        (batch("BATCH_STATE_SUCCEEDED", responsesFile="files/f"), "files/f", True),
        ({"name": VERTEX_BATCH, "state": "JOB_STATE_RUNNING"}, "batchPredictionJobs/7", True),
        ({"name": VERTEX_BATCH, "state": "JOB_STATE_SUCCEEDED"}, "batchPredictionJobs/7", False),
    ],
)
def test_a_batch_without_answers_in_it_says_where_they_will_be(
    body: dict[str, Any], found_under: str | None, *, complete: bool
) -> None:
    """Under its own name, in a file, nowhere since it failed; a bucket's are never seen, so their cost is not known."""
    for path in (f"{GEMINI}batches/b1", f"{VERTEX.removesuffix('publishers/google/')}batchPredictionJobs/7"):
        reading = read_usage(json.dumps(body), url=path)
        assert (reading.usage, reading.complete, reading.response_id) == (None, complete, found_under)
