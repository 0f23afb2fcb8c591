"""What wrapped clients can spend that no response accounts for: `ai-cost-calc doctor` and the docs name it."""

from __future__ import annotations

from typing import Final

import msgspec


class NotMetered(msgspec.Struct, frozen=True):
    """Something that an SDK's clients can buy and that is not metered.

    Attributes:
        calls: attributes of the client that buy it.
        bill: what it is billed by.
    """

    calls: tuple[str, ...]
    bill: str


NOT_METERED: Final = {
    "anthropic": (
        NotMetered(
            ("beta.deployments", "beta.dreams", "beta.sessions"),
            "managed agents: tokens of the session and its active time",
        ),
    ),
    "boto3": (
        NotMetered(("apply_guardrail", "invoke_guardrail_checks"), "text units of each policy of a guardrail"),
        NotMetered(("start_async_invoke",), "what the job writes to S3: seconds of video, images, tokens"),
    ),
    "cohere": (
        NotMetered(("batches", "embed_jobs"), "jobs, whose results are written to a dataset"),
        NotMetered(("finetuning",), "tokens of training"),
    ),
    "fireworks-ai": (
        NotMetered(("batch_inference_jobs",), "batches, whose results are written to a dataset"),
        NotMetered(("deployments",), "GPU time of dedicated deployments"),
        NotMetered(
            ("dpo_jobs", "reinforcement_fine_tuning_jobs", "reinforcement_fine_tuning_steps",
             "supervised_fine_tuning_jobs"),
            "tokens of training",
        ),
        NotMetered(("evaluation_jobs",), "tokens of the models evaluated"),
    ),
    "google-genai": (
        NotMetered(("aio.interactions.connect",), "live interactions: tokens of the session"),
        NotMetered(("aio.live.music",), "seconds of music"),
        NotMetered(("caches",), "tokens cached, by the hour"),
        NotMetered(("file_search_stores",), "tokens of the files that are indexed"),
        NotMetered(("models.generate_videos",), "seconds of video"),
        NotMetered(("triggers",), "interactions that Google begins by itself"),
        NotMetered(("tunings",), "tokens of training"),
    ),
    "mistralai": (
        NotMetered(("audio.realtime", "audio.realtime_speech"), "seconds of audio over WebSockets"),
        NotMetered(("audio.sessions",), "sessions of audio agents, which do not pass by this process"),
        NotMetered(("beta.libraries",), "pages of the documents that are indexed"),
        NotMetered(("workflows",), "executions, which call models on Mistral's side"),
    ),
    "ollama": (NotMetered(("web_fetch", "web_search"), "searches of an account at ollama.com"),),
    "openai": (
        NotMetered(("beta.agents", "beta.chatkit"), "hosted agents and their sessions"),
        NotMetered(("beta.threads",), "tokens of assistants' runs"),
        NotMetered(("containers",), "sessions of code interpreter containers"),
        NotMetered(("evals",), "tokens of the models evaluated"),
        NotMetered(("fine_tuning",), "tokens or hours of training"),
        NotMetered(
            ("live.create", "live.sessions", "realtime.calls", "realtime.client_secrets"),
            "sessions over WebRTC and SIP, which do not pass by this process",
        ),
        NotMetered(("vector_stores",), "storage by size and day, and searches"),
        NotMetered(("videos",), "seconds of video"),
    ),
    "together": (
        NotMetered(("beta.jig", "clusters", "endpoints"), "GPU time of dedicated hardware, and its storage"),
        NotMetered(("beta.realtime",), "seconds of audio over WebSockets"),
        NotMetered(("evals",), "tokens of the models evaluated"),
        NotMetered(("fine_tuning", "post_training"), "tokens or hours of training"),
        NotMetered(("videos",), "seconds of video"),
    ),
    "xai-sdk": (NotMetered(("collections",), "searches in collections, and their storage"),),
}  # fmt: skip
"""By the name of the SDK's package. Sources: the vendors' pricing pages; `resources/` of openai 3.54, anthropic 2.12,
together 3.1.1, fireworks-ai 1.2.30, cohere 7.3, google-genai 3.6, mistralai 3.7 and ollama 0.6.3; operations of
`bedrock-runtime` in botocore 1.44; parts of xai-sdk 1.21."""
