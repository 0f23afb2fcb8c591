"""Sessions of aiohttp that an application uses without an SDK. Read in aiohttp 3.14.

A response that is dropped without being released ends its call when its connection does: aiohttp itself keeps it until
then. `aiohttp.request` opens a session of its own, which nobody can wrap.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._http_client import HttpProvider, HttpVendor

PROVIDER: Final = HttpProvider(
    HttpVendor(name="aiohttp", package="aiohttp", module="aiohttp", oldest=(3, 10), clients=("ClientSession",))
)
