"""What Google's models searched for an answer, which is billed beside its tokens.

Grounding with Google Search or Google Maps costs per grounded prompt up to Gemini 2.5, and per search query from Gemini
3 on (ai.google.dev/gemini-api/docs/pricing). Queries to Maps are among `webSearchQueries`; only what was found tells
which was asked (google-genai 3.6, `types.py`, `GroundingMetadata`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers._wire import Wire

_BY_PROMPT: Final = re.compile(r"gemini-(?:live-)?[12]\b")
"""Models whose grounded prompts are counted, and not their queries."""


class Place(Wire):
    """Where something was found; only that there is such a place matters."""


class Searches(msgspec.Struct, frozen=True):
    """How often was searched.

    Attributes:
        queries: to Google Search and Google Maps.
        web: whether something was found on the web.
        maps: whether something was found on maps.
    """

    queries: int = 0
    web: bool = False
    maps: bool = False

    def __or__(self, other: Searches) -> Searches:
        """What two chunks of one answer say together."""
        return Searches(max(self.queries, other.queries), self.web or other.web, self.maps or other.maps)


class Found(Wire):
    """One thing that an answer was grounded on; only where it is from matters."""

    maps: Place | None = None
    web: Place | None = None
    image: Place | None = None


class Grounding(Wire, rename="camel"):
    """What a candidate was grounded on; only the number of search queries is used, and what was searched."""

    web_search_queries: list[Any] | None = None
    image_search_queries: list[Any] | None = None
    grounding_chunks: list[Found] | None = None


def searches_in(grounded: Iterable[Grounding | None]) -> Searches:
    """What these candidates' metadata say was searched."""
    told = [each for each in grounded if each is not None]
    queries = sum(len(each.web_search_queries or ()) + len(each.image_search_queries or ()) for each in told)
    found = [chunk for each in told for chunk in each.grounding_chunks or ()]
    maps = any(chunk.maps is not None for chunk in found)
    return Searches(queries, any(chunk.web is not None or chunk.image is not None for chunk in found), maps)


def with_searches(reading: Reading, asked: Searches) -> Reading:
    """Add readings for Google's searches, which are billed on top of the answer."""
    if reading.usage is None:
        return reading
    by_prompt = _BY_PROMPT.search(reading.model or "") is not None
    on_maps = (1 if by_prompt else max(asked.queries, 1)) if asked.maps and (by_prompt or not asked.web) else 0
    on_web = (1 if by_prompt else asked.queries) if asked.queries and (asked.web or not asked.maps) else 0
    return _with(_with(reading, on_web), on_maps, {"search": "maps"})


def _with(reading: Reading, searches: int, context: dict[str, str] | None = None) -> Reading:
    if not searches:
        return reading
    extra = replace(
        reading, usage=Usage(web_searches=searches), context=context or {}, response_id=None, anomaly=None, also=()
    )
    return replace(reading, also=(*reading.also, extra))
