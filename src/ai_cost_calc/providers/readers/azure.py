"""Azure OpenAI and Azure AI Foundry: OpenAI's APIs, and Anthropic's under `/anthropic`.

Source: learn.microsoft.com, "Azure OpenAI in Azure AI Foundry Models REST API reference". The deployment's name stands
in the path, the model's in the response. Grok there reports more cached tokens than prompt tokens, which is corrected.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._flavour import Vendor
from ai_cost_calc.providers.readers._openai_apis import OPENAI_FLAVOURS, OPENAI_PATHS

AZURE: Final = Vendor(
    name="azure",
    aliases=("azure-openai", "azure_openai", "foundry"),
    hosts=(
        r"(?:[^/]+\.)?(?:openai\.azure\.com|services\.ai\.azure\.com|cognitiveservices\.azure\.com|azure-api\.net)",
    ),
    paths=(
        *(
            (rf"/deployments/(?P<model>[^/]+)/{api}$", name)
            for api, name in (
                ("chat/completions", "chat"),
                ("completions", "completions"),
                ("embeddings", "embeddings"),
                (r"images/\w+", "images"),
                (r"audio/(?:transcriptions|translations)", "transcriptions"),
                ("audio/speech", "speech"),
            )
        ),
        *OPENAI_PATHS,
    ),
    flavours={**OPENAI_FLAVOURS, "messages": MESSAGES},
)
