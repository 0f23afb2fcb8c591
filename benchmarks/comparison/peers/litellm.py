"""LiteLLM: `cost_per_token` with the whole usage, on the table that ships in its wheel."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)  # this file is not to be imported as `litellm`
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch another table at import

PROVIDERS = {"aws": "bedrock", "google": "gemini", "x-ai": "xai", "together": "together_ai", "zhipuai": "zai"}
"""Its names of providers where they are other than ours."""


def main() -> None:
    """Answer."""
    litellm: Any = importlib.import_module("litellm")
    shared = importlib.import_module("peers._answer")

    def cost(call: dict[str, Any]) -> float:
        used = call["usage"].get
        usage = litellm.Usage(
            prompt_tokens=used("input_tokens", 0),
            completion_tokens=used("output_tokens", 0),
            total_tokens=used("input_tokens", 0) + used("output_tokens", 0),
            prompt_tokens_details={
                "cached_tokens": used("cache_read_tokens", 0), "audio_tokens": used("input_audio_tokens", 0),
                "cache_creation_tokens": used("cache_write_tokens", 0),
            },
            completion_tokens_details={
                "reasoning_tokens": used("output_reasoning_tokens", 0), "audio_tokens": used("output_audio_tokens", 0),
                "image_tokens": used("output_image_tokens", 0),
            },
            cache_creation_input_tokens=used("cache_write_tokens", 0),
            cache_read_input_tokens=used("cache_read_tokens", 0),
        )  # fmt: skip
        provider = PROVIDERS.get(call["provider"], call["provider"])
        parts = litellm.cost_per_token(
            model=call["model"], custom_llm_provider=provider, usage_object=usage, service_tier=call["service_tier"]
        )
        return float(sum(parts))

    shared.answer("litellm", cost)


if __name__ == "__main__":
    main()
