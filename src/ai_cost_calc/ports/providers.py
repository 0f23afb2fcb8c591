"""How one vendor's responses are read, and how its client objects are hooked."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec

from ai_cost_calc.core.media import Media
from ai_cost_calc.core.reading import Reading

T = TypeVar("T")


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call before it is made. No content: sizes only.

    Attributes:
        input_bytes: UTF-8 bytes of everything that becomes input; an upper bound of its text tokens.
        media_items: images, files and audio clips in the input, whose tokens bytes do not bound.
        media: what is known of the size of those of them that could be looked at.
        max_output_tokens: the caller's own limit per choice, if any.
        choices: how many answers are asked for (`n`), or requests are in a batch.
        batch: whether it makes a batch, which costs what many calls cost: estimates neither learn from it, nor take
            it for one of them.
    """

    provider: str
    model: str | None = None
    api: str = ""
    stream: bool = False
    input_bytes: int = 0
    media_items: int = 0
    media: tuple[Media, ...] = ()
    max_output_tokens: int | None = None
    choices: int = 1
    service_tier: str | None = None
    batch: bool = False


class RunningCall(Protocol):
    """One guarded call between its reservation and its end. Faults of ours stay inside."""

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Take in what one attempt's response says; may come more than once.

        Args:
            token: given where other processes may read this answer as well (a background response): it is kept once.
        """
        ...

    def end(self, *, error: BaseException | None = None, aborted: bool = False) -> None:
        """The call has ended: settle, and record. Only the first time counts."""
        ...

    def beat(self) -> None:
        """Still running: lengthen the lease (called on each chunk of a long stream, cheap)."""
        ...


class Meter(Protocol):
    """What a provider file asks of the client that wraps vendor objects."""

    def begin(self, request: CallRequest, /) -> RunningCall:
        """Reserve for this call.

        Raises:
            BudgetExceeded: the call must not be made.
        """
        ...

    async def abegin(self, request: CallRequest, /) -> RunningCall:
        """`begin` for callers that must not block their event loop."""
        ...

    def record(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Book and keep a reading that no call is running for: a response that another process asked for."""
        ...

    def fault(self, where: str, error: BaseException, /) -> None:
        """Log and count a fault of ours; never raises."""
        ...


class Provider(Protocol):
    """One vendor: which objects it hooks, and how. Every provider promises:

    - The same object comes back, of the same type for `isinstance`; wrapping twice does nothing; `unwrap` restores.
    - Copies that the vendor makes of a wrapped client (`with_options`, `copy`) are wrapped too.
    - `Meter.begin` is called outside the vendor's retry loop, so a refusal is not retried and sends nothing.
    - Results, exceptions, their types and the order and timing of a stream are the bare client's.
    - Each billed attempt is read once; `RunningCall.end` comes however the call ends: exhausted, closed, broken,
      dropped, cancelled or raised.
    """

    name: str

    def handles(self, client: object, /) -> bool:
        """Whether this provider knows this object."""
        ...

    def wrap(self, client: Any, meter: Meter, /, *, scoped: bool = False) -> None:
        """Hook this client, in place.

        Args:
            scoped: for a `with` block: blocks may overlap, in threads or tasks; the last one to leave restores.

        Raises:
            ConfigError: another meter has wrapped it, or its version is not supported.
        """
        ...

    def unwrap(self, client: Any, /, *, scoped: bool = False) -> None:
        """Take the hooks off again; with `scoped`, only what the block's own `wrap` put on."""
        ...
