"""Settings, in one place: what was said explicitly beats the environment, which beats the defaults."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

from ai_cost_calc.core.money import nanos_from_usd
from ai_cost_calc.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

Durability = Literal["none", "process", "disk"]

DEFAULT_FEATURE: Final = "ai_request"
"""What a call is for when nobody said; the official client's default event type."""

_ENVIRONMENT: Final = {
    "ledger": "AI_COST_CALC_LEDGER",
    "api_key": "AI_COST_CALC_API_KEY",
    "base_url": "AI_COST_CALC_BASE_URL",
    "budget_store": "AI_COST_CALC_BUDGET_STORE",
    "data_dir": "AI_COST_CALC_DATA_DIR",
    "prices": "AI_COST_CALC_PRICES",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one `AiCostCalc`."""

    data_dir: Path
    """Folder for journals, compiled prices and the default ledger."""
    ledger: str
    """URL of the ledger: `sqlite:///spend.db`, `memory:`."""
    api_key: str | None = field(default=None, repr=False)
    """MarginDash key; accepted so that code written for the official client runs unchanged."""
    base_url: str | None = None
    """Server the key belongs to; a trailing slash is dropped."""
    budget_store: str = "memory:"
    """URL of the store that keeps the running state of budgets."""
    prices: Path | None = None
    """File of your own prices, TOML or JSON."""
    organization: str = "default"
    """Whose books these are."""
    default_event_type: str = DEFAULT_FEATURE
    """The feature of calls for which none was given."""
    durability: Durability = "process"
    """`none` keeps records in memory, `process` survives a killed process, `disk` a crashed machine."""
    flush_interval_seconds: float = 5.0
    """How long records may wait before they are delivered to the ledger."""
    max_retries: int = 3
    """How often a hosted ledger is tried again; local ledgers are retried until they answer."""
    lease_seconds: float = 600.0
    """How long a hold lives without a sign of life from its call."""
    budget_fail_closed: bool = False
    """Whether calls are refused while the state of budgets cannot be reached, whatever each budget says."""
    fallback_nanos_per_token: int | None = None
    """What a token of a model without a price is taken to cost when a budget has to decide."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **explicit: Any) -> Self:
        """Build from what was said explicitly (`None` means not said), then the environment, then the defaults.

        Raises:
            ConfigError: a value is not possible; the message says which and what is.
        """
        environ = os.environ if environ is None else environ
        said: dict[str, Any] = {
            name: environ[variable] for name, variable in _ENVIRONMENT.items() if environ.get(variable)
        }
        said |= {name: value for name, value in explicit.items() if value is not None}
        said["data_dir"] = (
            _path("data_dir", said["data_dir"], "folder") if said.get("data_dir") else _default_data_dir()
        )
        if said.get("prices"):
            said["prices"] = _path("prices", said["prices"], "file")
        said.setdefault("ledger", f"sqlite:///{said['data_dir'] / 'spend.db'}")
        if fallback := said.pop("fallback_price", None):
            said["fallback_nanos_per_token"] = _per_token(fallback)
        return cls(**_checked(said))


def _path(name: str, given: Any, kind: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

    try:
        return Path(given).expanduser()
    except (TypeError, RuntimeError) as exc:
        raise ConfigError(f"{name} must be the path of a {kind}, not {given!r}") from exc


def _default_data_dir() -> Path:
    import platformdirs  # noqa: PLC0415 - not needed when a folder is given

    return platformdirs.user_data_path("ai-cost-calc", appauthor=False)


def _per_token(usd_per_million: Decimal | int | str) -> int:
    """Nano-dollars per token, rounded up, so that the fallback never understates what was asked for."""
    try:
        nanos = nanos_from_usd(usd_per_million, field="fallback_price")
    except (TypeError, ValueError) as exc:
        msg = f"{exc}; fallback_price is US dollars per million tokens"
        raise ConfigError(msg) from exc
    if nanos < 0:
        raise ConfigError(f"fallback_price {usd_per_million!r} is negative; it is US dollars per million tokens")
    return -(-nanos // 1_000_000)


def _checked(said: dict[str, Any]) -> dict[str, Any]:
    if isinstance(said.get("base_url"), str):
        said["base_url"] = said["base_url"].rstrip("/")
    for name in ("ledger", "api_key", "base_url", "budget_store", "organization", "default_event_type"):
        _text(name, said.get(name, "unset"))
    _positive("flush_interval", said.get("flush_interval_seconds", 1.0))
    _positive("lease_seconds", said.get("lease_seconds", 1.0))
    retries = said.get("max_retries", 0)
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        msg = f"max_retries must be a whole number of at least 0, not {retries!r}"
        raise ConfigError(msg)
    if not isinstance(said.get("budget_fail_closed", False), bool):
        msg = f"budget_fail_closed must be True or False, not {said['budget_fail_closed']!r}"
        raise ConfigError(msg)
    if said.get("durability", "process") not in get_args(Durability):
        msg = f"durability={said['durability']!r} is not possible; choose one of {', '.join(get_args(Durability))}"
        raise ConfigError(msg)
    return said


def _text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        msg = f"{name} must be a string that is not empty, not {value!r}"
        raise ConfigError(msg)


def _positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        msg = f"{name} must be a finite number of seconds above 0, not {value!r}"
        raise ConfigError(msg)
