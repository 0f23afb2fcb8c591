"""Sessions of requests that an application uses without an SDK. Read in requests 2.34 (`sessions.py`, `models.py`).

`requests.post` and its like open a session of their own, which nobody can wrap.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._http_client import HttpProvider, HttpVendor

PROVIDER: Final = HttpProvider(
    HttpVendor(name="requests", package="requests", module="requests", oldest=(2, 28), clients=("Session",))
)
