"""What providers call the settings in a request's body, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ai_cost_calc.providers._request import whole

LIMITS: Final = frozenset(
    {
        "max_completion_tokens", "max_output_tokens", "max_tokens", "maxOutputTokens", "maxTokens", "num_predict",
        "max_new_tokens", "max_tokens_to_sample", "max_gen_len", "maxTokenCount",
    }
)  # fmt: skip
"""What providers call the caller's limit on output tokens."""
CHOICES: Final = frozenset({"n", "best_of", "candidateCount", "num_generations", "sampleCount"})
"""What they call the number of answers."""
SETTINGS: Final = frozenset(
    {
        "generationConfig", "generation_config", "options", "parameters", "completion_args", "inferenceConfig",
        "textGenerationConfig",
    }
)  # fmt: skip
"""Where in a body such settings may stand, beside its top."""


def setting(fields: Mapping[str, Any], names: frozenset[str]) -> int | None:
    """The largest value that a body gives a setting which has many names."""
    holders = [fields, *(held for name, held in fields.items() if name in SETTINGS and isinstance(held, Mapping))]
    values = [whole(value) for holder in holders for name, value in holder.items() if name in names]
    return max((value for value in values if value is not None), default=None)
