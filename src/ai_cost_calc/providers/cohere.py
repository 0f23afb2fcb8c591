"""Cohere's SDK, version 7: `ClientV2`, `Client` and their asynchronous twins.

They send with one HTTP client of httpx (`core/http_client.py`, cohere 7.3), which retries statuses and errors of the
connection and nothing else: a refusal is raised as it is; each attempt is a call. Metered is what `readers/cohere.py`
knows: chat, generate, embed, rerank, classify, summarize, parse and transcriptions. Clients for other clouds (Bedrock,
SageMaker, OCI) rewrite their requests after the seam and are not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeVar

from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers._http_client import HttpProvider, HttpVendor

R = TypeVar("R")

ELSEWHERE: Final = ("AwsClient", "AwsClientV2", "OciClient", "OciClientV2")
"""Base classes of clients that speak to another cloud."""
_EXECUTOR: Final = "_executor"


class CarriesContext:
    """The executor in whose threads `Client.embed` sends its batches: there, too, a call is its caller's."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def __getattr__(self, name: str) -> Any:
        """Be the executor in everything else."""
        return getattr(self.executor, name)

    def submit(self, do: Callable[..., R], /, *args: Any, **kwargs: Any) -> Any:
        """Run this in a thread, for whom it is here."""
        return self.executor.submit(copy_context().run, partial(do, *args, **kwargs))

    def map(self, do: Callable[..., R], *iterables: Iterable[Any], **options: Any) -> Iterator[R]:
        """Run this for each item in a thread, for whom it is here."""
        calls = [partial(copy_context().run, do, *args) for args in zip(*iterables, strict=False)]
        return self.executor.map(lambda call: call(), calls, **options)


class CohereProvider(HttpProvider):
    """Wraps Cohere's clients."""

    def handles(self, client: object) -> bool:
        """Whether this is one of Cohere's clients, and speaks to Cohere."""
        names = {base.__name__ for base in type(client).__mro__ if base.__module__.startswith("cohere.")}
        return super().handles(client) and names.isdisjoint(ELSEWHERE)

    def put_on(self, client: Any, meter: Meter) -> None:
        """Guard what it sends with, and let its threads know for whom they do."""
        super().put_on(client, meter)
        if isinstance(executor := vars(client).get(_EXECUTOR), Executor):
            vars(client)[_EXECUTOR] = CarriesContext(executor)

    def take_off(self, client: Any) -> None:
        """Give it its own executor back."""
        super().take_off(client)
        if isinstance(carrying := vars(client).get(_EXECUTOR), CarriesContext):
            vars(client)[_EXECUTOR] = carrying.executor


PROVIDER: Final = CohereProvider(
    HttpVendor(
        name="cohere",
        package="cohere",
        module="cohere",
        oldest=(7, 0),
        clients=("Client", "AsyncClient"),
        http_clients=lambda client: (client._client_wrapper.httpx_client.httpx_client,),  # noqa: SLF001 - since 5.0
        home="cohere",
    )
)
