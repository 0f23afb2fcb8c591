"""OpenAI. Regional hosts keep data in a place, at a price (platform.openai.com/docs, "Data residency")."""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._flavour import Vendor
from ai_cost_calc.providers.readers._openai_apis import OPENAI_FLAVOURS, OPENAI_PATHS

OPENAI: Final = Vendor(
    name="openai",
    hosts=(r"(?:(?P<region>us|eu|ae|au|in|jp)\.)?api\.openai\.com",),
    paths=OPENAI_PATHS,
    flavours=OPENAI_FLAVOURS,
)
