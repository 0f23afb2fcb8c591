"""Voyage AI: embeddings and reranking, reported as `usage.total_tokens` alone.

Source: docs.voyageai.com/reference, "Text embeddings", "Multimodal embeddings", "Reranker".
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._flavour import Vendor
from ai_cost_calc.providers.readers._rerank_shape import RERANK

VOYAGE: Final = Vendor(
    name="voyageai",
    aliases=("voyage",),
    hosts=(r"api\.voyageai\.com", r"ai\.mongodb\.com"),
    paths=((r"/rerank$", "rerank"), (r"embeddings$", "embeddings")),
    flavours={"embeddings": RERANK, "rerank": RERANK},
)
