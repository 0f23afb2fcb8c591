"""HTTP clients of httpx and httpx2 that an application uses without an SDK, or hands to one.

Read in httpx 0.28 and httpx2 2.16 (`_client.py`). What is metered follows from the URL: a known provider's host, or a
path that many copied (`/chat/completions`, `/messages`, …) with a `model` in the body. A chat stream that does not ask
for usage reports none and is estimated: the request is sent as it is.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._http_client import HttpProvider, HttpVendor


def _vendor(module: str, oldest: tuple[int, ...]) -> HttpVendor:
    return HttpVendor(
        name=module,
        package=module,
        module=module,
        oldest=oldest,
        clients=("Client", "AsyncClient"),
    )


HTTPX: Final = HttpProvider(_vendor("httpx", (0, 27)))
HTTPX2: Final = HttpProvider(_vendor("httpx2", (2, 0)))
