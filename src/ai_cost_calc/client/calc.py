"""`AiCostCalc`: what users hold, sync and async alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from ai_cost_calc.client.costs import Costs
from ai_cost_calc.client.official import OfficialSurface
from ai_cost_calc.client.reprices import Reprices
from ai_cost_calc.context import AttributionScope
from ai_cost_calc.core.attribution import attribution
from ai_cost_calc.core.budget import Budget
from ai_cost_calc.core.money import usd
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.providers import provider_for, settle_dropped

if TYPE_CHECKING:
    import httpx2

    from ai_cost_calc.client.guard import Guard, Label
    from ai_cost_calc.client.official_values import AiCostCalcError
    from ai_cost_calc.client.reports import Report, Since
    from ai_cost_calc.client.stats import Stats
    from ai_cost_calc.config import Durability
    from ai_cost_calc.ports.ledgers import Ledger

C = TypeVar("C")
ADOPT_SECONDS = 5.0


class AiCostCalc(Costs, Reprices, OfficialSurface):
    """Tells what each AI call costs, who it was for, and whether a budget allows it, before it is made.

    One object serves threads and asyncio alike. Create it once per process; a forked child may go on using it.

    Args:
        ledger: URL of the ledger (`sqlite:///spend.db`, `memory:`) or a `Ledger` of your own. Without one,
            `AI_COST_CALC_LEDGER`, else one SQLite file in your user data folder.
        budgets: budgets to hold.
        budget_store: where their running state is kept; this process's memory by default.
        prices: a file of your own prices, TOML or JSON; they win over listed ones.
        fallback_price: US dollars per million tokens that a model without a price counts as when a budget decides.
        model_map: names of your own and the models they stand for, such as `{"my-deployment": "openai/gpt-4o"}`: Azure
            deployments, Bedrock application inference profiles, tuned models.
        data_dir: folder for journals and compiled prices.
        durability: `process` (default) survives a killed process, `disk` a crashed machine, `none` neither.
        organization: whose books these are.
        lease_seconds: how long a hold lives without a sign of life from its call; 600 when left out.
        clock: unix seconds; for tests.
        api_key, base_url, flush_interval, max_retries, default_event_type, budget_fail_closed, on_error: as in the
            official client.

    Raises:
        ConfigError: a setting is not possible (a `ValueError` too).
    """

    def __init__(
        self,
        ledger: str | Ledger | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        budgets: Iterable[Budget] = (),
        budget_store: str | None = None,
        prices: str | PathLike[str] | None = None,
        fallback_price: Decimal | int | str | None = None,
        model_map: Mapping[str, str] | None = None,
        flush_interval: float = 5.0,
        max_retries: int = 3,
        default_event_type: str = "ai_request",
        budget_fail_closed: bool = False,
        on_error: Callable[[AiCostCalcError], None] | None = None,
        data_dir: str | PathLike[str] | None = None,
        durability: Durability | None = None,
        organization: str | None = None,
        lease_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from ai_cost_calc.client import parts  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        _check_is_clock(clock)
        given = None if ledger is None or isinstance(ledger, str) else _ledger(ledger)
        self.config = parts.Config.from_env(
            ledger=ledger if given is None else "given:",
            api_key=api_key,
            base_url=base_url,
            budget_store=budget_store,
            prices=prices,
            fallback_price=fallback_price,
            flush_interval_seconds=flush_interval,
            max_retries=max_retries,
            default_event_type=default_event_type,
            budget_fail_closed=budget_fail_closed,
            data_dir=data_dir,
            durability=durability,
            organization=organization,
            lease_seconds=lease_seconds,
        )
        self._clock = clock
        self._counters = parts.Counters(_reporter(on_error))
        self._books = parts.Books(self.config, given)
        self._prices = parts.Prices(self.config, self._counters, _names(model_map))
        self._prices.warm_up()
        self._delivery = parts.Delivery(
            self._books.open,
            folder=self._books.journal_folder(),
            durability=self._books.durability,
            clock=clock,
            on_fault=self._counters.fault,
            flush_interval_seconds=flush_interval,
        )
        self._metering = parts.metering_of(self.config, self._prices, self._delivery, self._counters, clock)
        self._guard = parts.Guard
        self._catch_up = parts.CatchUp()
        self.budgets = parts.Budgets(
            metering=self._metering, ledger=self._books.current, book=self._prices.book, clock=clock,
            organization=self.config.organization, fail_closed=budget_fail_closed, flush=self.flush,
            catch_up=self._catch_up,
        )  # fmt: skip
        self._delivery.adopt(ADOPT_SECONDS)
        self.budgets.start(budgets)

    def __repr__(self) -> str:
        """Show where the books are and which budgets hold."""
        return f"AiCostCalc({self.config.ledger!r}, budgets={self.budgets})"

    # Whose calls these are, and which are metered.

    def attribute(
        self, customer_id: str | None = None, feature: str | None = None, session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AttributionScope:  # fmt: skip
        """A `with` block (or `async with`) whose calls are for this customer and feature. Nested ones merge.

        Args:
            customer_id: whose calls these are, in your own ids.
            feature: what they are for.
            session_id: groups the calls of one run or conversation.
            tags: further labels to report by, strings to strings.

        Raises:
            TypeError: a label is no string.
            ValueError: a label is empty, or longer than 255 characters.
        """
        return AttributionScope(attribution(customer_id, feature, session_id, tags))

    def wrap(self, client: C) -> C:
        """Guard and meter every call of a vendor's client, or an HTTP client, from now on; the same object comes back.

        Raises:
            UnsupportedClient: this object is not known; the message says what to use instead.
        """
        provider_for(client).wrap(client, self._metering)
        return client

    def unwrap(self, client: C) -> C:
        """Undo `wrap`; the same object comes back."""
        provider_for(client).unwrap(client)
        return client

    def metered_http_client(self, **options: Any) -> httpx2.Client:
        """An HTTP client whose calls of models' APIs are guarded and metered; `options` are those of `httpx2.Client`.

        `wrap` does the same with a client or session of your own, of httpx2, httpx, requests or aiohttp.
        """
        import httpx2  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        return self.wrap(httpx2.Client(**options))

    def metered_async_http_client(self, **options: Any) -> httpx2.AsyncClient:
        """`metered_http_client` for asyncio."""
        import httpx2  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        return self.wrap(httpx2.AsyncClient(**options))

    @contextmanager
    def metered(
        self, client: C, *, customer_id: str | None = None, feature: str | None = None, session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[C]:  # fmt: skip
        """A `with` block inside of which a client is wrapped, its calls being for this customer and feature."""
        with self.attribute(customer_id, feature, session_id, tags):
            provider = provider_for(client)
            provider.wrap(client, self._metering, scoped=True)
            try:
                yield client
            finally:
                provider.unwrap(client, scoped=True)

    def guard(
        self, *, customer_id: Label = None, feature: Label = None, session_id: Label = None,
        tags: Mapping[str, str] | None = None, estimate: Decimal | int | str | None = None,
    ) -> Guard:  # fmt: skip
        """A guarded `with` block (or `async with`), or a decorator for functions, coroutines and generators.

        Args:
            customer_id: whom it is for; on a decorator, also a function of the decorated function's arguments. Likewise
                `feature` and `session_id`.
            tags: further labels.
            estimate: the most it can cost in US dollars; what such blocks have cost when left out.
        """
        return self._guard(
            self._metering,
            customer_id=customer_id,
            feature=feature,
            session_id=session_id,
            tags=tags,
            estimate=estimate,
        )

    def record(
        self, response: object, *, provider: str | None = None, api: str | None = None, model: str | None = None
    ) -> None:
        """Record a call that was made elsewhere: any vendor's response object, or its JSON body. Never raises.

        Inside `calc.guard` it settles the guarded block. What a wrapped client has recorded is not counted twice.

        Args:
            response: the response, or the `Reading` that `read_usage` made of it.
            provider: whose API answered, such as `openai`, where the response does not tell.
            api: the flavour, such as `chat`, `responses` or `messages`; naming it saves looking for it.
            model: the requested model, for responses that name none.
        """
        try:
            self._metering.record(self._metering.reading_of(response, provider=provider, api=api, model=model))
        except Exception as exc:  # noqa: BLE001 - a fault of ours must not break the user's code
            self._counters.fault("record", exc)

    # What it all came to.

    def report(
        self, by: str | Iterable[str] = (), *, since: Since = None, until: Since = None,
        where: Mapping[str, str | None] | None = None, timezone: str = "UTC",
    ) -> Report:  # fmt: skip
        """Cost, revenue and margin by any of customer, feature, provider, model, session, hour, day, month, `tag:name`.

        Args:
            by: what to group by; nothing gives one row.
            since: `30d`, `24h`, `today`, `month`, an ISO date or time, a `datetime` or `timedelta`; from the
                beginning when left out.
            until: the first moment that no longer counts.
            where: dimension to value; only those calls.
            timezone: what days and months are cut by.

        Raises:
            ConfigError: `by` or a time is not understood.
            LedgerError: the ledger cannot be read.
        """
        from ai_cost_calc.client.reports import read_report  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        self.flush()
        return read_report(
            self._books.current(), by=by, since=since, until=until, where=where, timezone=timezone,
            organization=self.config.organization, now=self._clock(),
        )  # fmt: skip

    def stats(self) -> Stats:
        """What was delivered, waits, was set aside or dropped, and every fault that was kept from your calls."""
        from ai_cost_calc.client.stats import Stats  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        settle_dropped()
        delivery = self._delivery.stats()
        return Stats(
            delivered=delivery.delivered,
            duplicates=delivery.duplicates,
            waiting=delivery.waiting,
            quarantined=delivery.quarantined,
            dropped=dict(delivery.dropped),
            faults=dict(self._counters.faults),
            holds=self._metering.store.held(now=self._clock()),
            blocked=self._counters.blocked,
            warned=dict(self._counters.warned),
            unpriced=dict(self._counters.unpriced),
            stated={provider: usd(nanos) for provider, nanos in self._counters.stated.items()},
            reserved_ratio=self._metering.reserved_ratio,
            price_version=self._prices.version,
        )

    def flush(self, timeout: float = 5.0) -> int:
        """Wait until what was recorded is in the ledger, at most `timeout` seconds; return how many records are not.

        Records that are not delivered stay on disk and go out later, also after a restart.
        """
        settle_dropped()
        return self._delivery.flush(timeout)

    def shutdown(self, timeout: float = 5.0) -> int:
        """Flush and let go of files and threads; return how many records wait on disk for the next start."""
        settle_dropped()
        self._catch_up.stop()
        left = self._delivery.close(timeout)
        self._books.close()
        return left

    def __enter__(self) -> Self:
        """Use as a `with` block that shuts down at its end."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Shut down."""
        self.shutdown()


def _check_is_clock(given: Any) -> None:
    if not callable(given):
        raise ConfigError(f"clock must be a function that returns unix seconds, not {given!r}")


def _ledger(given: Any) -> Ledger:
    if not all(callable(getattr(given, name, None)) for name in ("append", "spend")):
        raise ConfigError(f"ledger must be a URL such as sqlite:///spend.db or a Ledger, not {given!r}")
    return cast("Ledger", given)


def _names(model_map: object) -> dict[str, str]:
    if model_map is None:
        return {}
    if not isinstance(model_map, Mapping) or not all(
        isinstance(text, str) for pair in model_map.items() for text in pair
    ):
        msg = f'model_map must say names and models, such as {{"my-deployment": "openai/gpt-4o"}}, not {model_map!r}'
        raise ConfigError(msg)
    return dict(model_map)


def _reporter(
    on_error: Any,
) -> Callable[[str, BaseException | None], None] | None:
    if on_error is None:
        return None
    if not callable(on_error):
        msg = f"on_error must be a function that takes an AiCostCalcError, not {on_error!r}"
        raise ConfigError(msg)
    from ai_cost_calc.client.official_values import AiCostCalcError  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

    return lambda message, cause: on_error(AiCostCalcError(message=message, cause=cause))
