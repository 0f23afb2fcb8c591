"""Vendors that speak OpenAI's APIs without reporting anything in a way of their own: their names and hosts.

Source: each vendor's API documentation, "OpenAI compatibility"; genai-prices 0.2.3 (`api_pattern`, extractors). What
DeepSeek, Together, Moonshot and Databricks call cached tokens is read by `_openai_shape.ChatUsage`.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._audio_shape import TRANSCRIPTIONS
from ai_cost_calc.providers.readers._batch_shape import BATCHES, batch_results
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Vendor
from ai_cost_calc.providers.readers._openai_apis import OPENAI_FLAVOURS, OPENAI_PATHS
from ai_cost_calc.providers.readers._rerank_shape import RERANK

_APIS: Final = frozenset({"batches", "batch_results", "decisions", "images", "speech", "transcriptions"})
_PATHS: Final = (
    *((path, api) for path, api in OPENAI_PATHS if api in _APIS),
    (r"/batchInferenceJobs(/[^/]+)?$", "dataset_batches"),  # Fireworks', whose results are written to a dataset
)
_FLAVOURS: Final = {
    **COMPATIBLE,
    "messages": MESSAGES,
    "decisions": OPENAI_FLAVOURS["decisions"],
    "rerank": RERANK,
    "images": OPENAI_FLAVOURS["images"],
    "transcriptions": TRANSCRIPTIONS,
    "translations": TRANSCRIPTIONS,
    "speech": TRANSCRIPTIONS,
    "batches": BATCHES,
    "dataset_batches": BATCHES,
    "batch_results": batch_results(COMPATIBLE),
}


def _vendor(name: str, *hosts: str, aliases: tuple[str, ...] = ()) -> Vendor:
    return Vendor(name=name, hosts=hosts, aliases=aliases, paths=_PATHS, flavours=_FLAVOURS)


ALIBABA: Final = _vendor("alibaba", r"dashscope(?:-\w+)?\.aliyuncs\.com", aliases=("dashscope", "qwen"))
ARCEE: Final = _vendor("arcee", r"api\.arcee\.ai")
AVIAN: Final = _vendor("avian", r"api\.avian\.io")
BASETEN: Final = _vendor("baseten", r"inference\.baseten\.co")
CEREBRAS: Final = _vendor("cerebras", r"api\.cerebras\.ai")
COPILOT: Final = _vendor("github-copilot", r"api\.(?:\w+\.)?githubcopilot\.com")
CRUSOE: Final = _vendor("crusoe", r"(?:api\.)?inference\.(?:api\.)?crusoecloud\.com")
DATABRICKS: Final = _vendor(
    "databricks", r"[^/]+\.(?:cloud\.databricks\.com|azuredatabricks\.net|gcp\.databricks\.com)"
)
DEEPINFRA: Final = _vendor("deepinfra", r"api\.deepinfra\.com")
DEEPSEEK: Final = _vendor("deepseek", r"api\.deepseek\.com")
DOUBLEWORD: Final = _vendor("doubleword", r"api\.doubleword\.ai")
FIREWORKS: Final = _vendor("fireworks", r"api\.fireworks\.ai", aliases=("fireworks-ai",))
HUGGINGFACE: Final = _vendor("huggingface", r"router\.huggingface\.co(?:/(?P<under>(?!v1\b)[\w-]+)/)?")
LMSTUDIO: Final = _vendor("lmstudio", r"(?:localhost|127\.0\.0\.1|\[::1\]):1234\b", aliases=("lm-studio",))
META: Final = _vendor("meta", r"api\.meta\.ai")
MINIMAX: Final = _vendor("minimax", r"api\.minimaxi?\.(?:com|io)")
MOONSHOT: Final = _vendor("moonshotai", r"api\.moonshot\.(?:ai|cn)", aliases=("moonshot", "kimi"))
NOVITA: Final = _vendor("novita", r"api\.novita\.ai")
NVIDIA: Final = _vendor("nvidia", r"integrate\.api\.nvidia\.com")
OVHCLOUD: Final = _vendor("ovhcloud", r"oai\.endpoints\.kepler\.ai\.cloud\.ovh\.net")
PORTKEY: Final = _vendor("portkey", r"api\.portkey\.ai")
PYDANTIC_GATEWAY: Final = _vendor("pydantic-gateway", r"gateway(?:-\w+)?\.pydantic\.dev")
QUICKSILVERPRO: Final = _vendor("quicksilverpro", r"api\.quicksilverpro\.io")
SNOWFLAKE: Final = _vendor("snowflake", r"[^/]+\.snowflakecomputing\.com")
TOGETHER: Final = _vendor(
    "together", r"(?:(?P<region>us|ca)-)?api\.together\.(?:ai|xyz)", aliases=("togetherai", "together-ai")
)
TYPESAFE: Final = _vendor("typesafe", r"api\.typesafe\.ai")
VLLM: Final = _vendor("vllm", r"(?:localhost|127\.0\.0\.1|\[::1\]):8000\b")
ZAI: Final = _vendor("zai", r"api\.z\.ai", aliases=("z-ai",))
ZHIPU: Final = _vendor("zhipuai", r"open\.bigmodel\.cn", aliases=("zhipu", "bigmodel"))
