"""How each vendor's responses are read: usage, model, tier, cost. Pure: bytes in, a `Reading` out.

One file a vendor: `openai.py`, `anthropic.py`, … say what is peculiar to it, with the source of each fact. What several
vendors share is in files that start with an underscore: the flavours (`_openai_shape`, `_responses_shape`,
`_anthropic_shape`, `_gemini_shape`, …), the framing of streams (`_streams`), typed decoding (`_wire`), and the registry
(`_registry`), where a new vendor adds one line. How clients are hooked is the business of the package above.
"""

from ai_cost_calc.providers.readers._objects import message_fields, reading_of
from ai_cost_calc.providers.readers._read import open_reader, read_usage
from ai_cost_calc.providers.readers._reader import UsageReader
from ai_cost_calc.providers.readers._registry import VENDORS, Route, route

__all__ = ["VENDORS", "Route", "UsageReader", "message_fields", "open_reader", "read_usage", "reading_of", "route"]
