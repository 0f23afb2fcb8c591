"""Who bills is told by the name, the host, or a header."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest

from ai_cost_calc.providers.readers import read_usage
from ai_cost_calc.providers.readers._registry import VENDORS, vendor_named
from tests.providers.readers.bodies import (
    PLAIN,
    PLAIN_COUNTS,
    chat,
    counts,
)


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai"),
        ("https://mine.openai.azure.com/openai/deployments/d/chat/completions?api-version=1", "azure"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "google"),
        ("https://api.groq.com/openai/v1/chat/completions", "groq"),
        ("https://api.mistral.ai/v1/chat/completions", "mistral"),
        ("https://api.cohere.ai/compatibility/v1/chat/completions", "cohere"),
        ("https://api.deepseek.com/chat/completions", "deepseek"),
        ("https://us-east-1.api.x.ai/v1/chat/completions", "x-ai"),
        ("https://openrouter.ai/api/v1/chat/completions", "openrouter"),
        ("https://api.perplexity.ai/chat/completions", "perplexity"),
        ("https://api.together.ai/v1/chat/completions", "together"),
        ("https://api.together.xyz/v1/chat/completions", "together"),
        ("https://api.fireworks.ai/inference/v1/chat/completions", "fireworks"),
        ("https://api.cerebras.ai/v1/chat/completions", "cerebras"),
        ("https://api.moonshot.ai/v1/chat/completions", "moonshotai"),
        ("https://api.z.ai/api/paas/v4/chat/completions", "zai"),
        ("https://open.bigmodel.cn/api/paas/v4/chat/completions", "zhipuai"),
        ("https://router.huggingface.co/together/v1/chat/completions", "huggingface_together"),
        ("https://router.huggingface.co/v1/chat/completions", "huggingface"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions", "alibaba"),
        ("https://api.cloudflare.com/client/v4/accounts/a/ai/v1/chat/completions", "cloudflare"),
        ("https://x.cloud.databricks.com/serving-endpoints/chat/completions", "databricks"),
        ("https://o-a.snowflakecomputing.com/api/v2/cortex/v1/chat/completions", "snowflake"),
        ("https://api.deepinfra.com/v1/openai/chat/completions", "deepinfra"),
        ("https://integrate.api.nvidia.com/v1/chat/completions", "nvidia"),
        ("https://api.novita.ai/v3/openai/chat/completions", "novita"),
        ("https://inference.baseten.co/v1/chat/completions", "baseten"),
        ("https://api.inference.crusoecloud.com/v1/chat/completions", "crusoe"),
        ("https://api.minimax.io/v1/chat/completions", "minimax"),
        ("https://api.arcee.ai/api/v1/chat/completions", "arcee"),
        ("https://api.avian.io/v1/chat/completions", "avian"),
        ("https://api.doubleword.ai/v1/chat/completions", "doubleword"),
        ("https://api.meta.ai/v1/chat/completions", "meta"),
        ("https://oai.endpoints.kepler.ai.cloud.ovh.net/v1/chat/completions", "ovhcloud"),
        ("https://api.quicksilverpro.io/v1/chat/completions", "quicksilverpro"),
        ("https://api.typesafe.ai/v1/decisions", "typesafe"),
        ("https://api.githubcopilot.com/chat/completions", "github-copilot"),
        ("https://api.portkey.ai/v1/chat/completions", "portkey"),
        ("https://gateway.pydantic.dev/proxy/openai/chat/completions", "pydantic-gateway"),
        ("http://localhost:11434/v1/chat/completions", "ollama"),
        ("http://127.0.0.1:8000/v1/chat/completions", "vllm"),
        ("http://localhost:1234/v1/chat/completions", "lmstudio"),
        ("https://llm.example.com/v1/chat/completions", None),
        ("https://api.openai.com.example.com/v1/chat/completions", None),
    ],
)
def test_the_host_tells_who_bills(url: str, provider: str | None) -> None:
    """Everyone speaks the same API; the price is the host's."""
    reading = read_usage(json.dumps(chat(PLAIN)), url=url)
    assert counts(reading) == PLAIN_COUNTS
    assert reading.provider == provider


@pytest.mark.parametrize(
    ("url", "provider", "region"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai", None),
        ("https://eu.api.openai.com/v1/chat/completions", "openai", "eu"),
        ("https://api.mistral.ai/v1/chat/completions", "mistral", None),
        ("https://api.eu.mistral.ai/v1/chat/completions", "mistral", "eu"),
        ("https://api.together.ai/v1/chat/completions", "together", None),
        ("https://ca-api.together.ai/v1/chat/completions", "together", "ca"),
        ("https://api.x.ai/v1/chat/completions", "x-ai", None),
        ("https://us.api.x.ai/v1/chat/completions", "x-ai", "us"),
        ("https://aiplatform.googleapis.com/v1/chat/completions", "google", None),
        ("https://us-east5-aiplatform.googleapis.com/v1/chat/completions", "google", "us-east5"),
        ("https://aiplatform.eu.rep.googleapis.com/v1/chat/completions", "google", "eu"),
        ("https://bedrock-mantle.eu-west-1.api.aws/v1/chat/completions", "aws", "eu-west-1"),
    ],
)
def test_the_host_tells_where_it_ran(url: str, provider: str, region: str | None) -> None:
    """Regional hosts are their vendor's, at a price of their own."""
    reading = read_usage(json.dumps(chat(PLAIN)), url=url)
    assert (reading.provider, reading.region) == (provider, region)


@pytest.mark.parametrize(
    ("name", "provider"),
    [("xai", "x-ai"), ("Bedrock", "aws"), ("vertex", "google"), ("azure-openai", "azure"), ("acme", "acme")],
)
def test_a_provider_goes_by_many_names(name: str, provider: str) -> None:
    """Usual names lead to the one that prices have; an unknown one is kept, and its API taken for the usual one."""
    reading = read_usage(json.dumps(chat(PLAIN)), provider=name, api="chat")
    assert counts(reading) == PLAIN_COUNTS
    assert reading.provider == provider


def test_a_proxy_may_state_the_cost_in_a_header() -> None:
    """LiteLLM's does; what the body says goes first."""
    headers = {"x-litellm-response-cost": "0.00031"}
    assert read_usage(chat(), api="chat", headers=headers).provider_cost_usd == Decimal("0.00031")
    body = chat(PLAIN | {"cost": 0.5})
    assert read_usage(body, provider="openrouter", api="chat", headers=headers).provider_cost_usd == Decimal("0.5")


@pytest.mark.parametrize("stated", ["0", "0.0", "None", "", "nan"])
def test_a_proxy_that_states_nothing_is_not_believed(stated: str) -> None:
    """LiteLLM calculates zero for models that it does not know: that is no cost."""
    assert read_usage(chat(), api="chat", headers={"x-litellm-response-cost": stated}).provider_cost_usd is None


def test_counts_that_cannot_be_true_are_bent_and_told() -> None:
    """Grok on Azure reports more cached tokens than prompt tokens; the record is kept, with a note."""
    usage = {"prompt_tokens": 31, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 161}}
    reading = read_usage(chat(usage), provider="azure", api="chat")
    assert counts(reading) == {"input_tokens": 31, "output_tokens": 8, "cache_read_tokens": 31}
    assert reading.anomaly is not None
    assert "input_tokens" in reading.anomaly


@pytest.mark.parametrize("name", VENDORS)
def test_every_vendor_of_the_registry_loads(name: str) -> None:
    """A line of the registry names a file that exists, and a vendor with something to read and no name of another."""
    vendor = vendor_named(name)
    assert vendor is not None
    assert vendor.flavours
    others = [other for other in VENDORS if other != name and (found := vendor_named(other)) and name in found.aliases]
    assert not others


def test_vendors_load_when_they_are_met() -> None:
    """Reading one provider's response costs no other vendor's file, and no vendor's SDK or HTTP client."""
    program = """
import sys
from ai_cost_calc.providers.readers import read_usage
read_usage("{}", url="https://api.openai.com/v1/chat/completions")
loaded = {name.rpartition(".")[2] for name in sys.modules if name.startswith("ai_cost_calc.providers.readers.")}
assert "openai" in loaded and not loaded & {"google", "bedrock", "cohere", "mistral"}, loaded
assert not {"openai", "anthropic", "httpx", "httpx2", "pydantic", "genai_prices"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
