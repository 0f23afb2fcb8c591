"""The budget store of one process: plain objects under one lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final
from weakref import WeakSet

from ai_cost_calc.core.budget import BudgetState, Claim, Refusal, Reservation, ReservationId
from ai_cost_calc.core.windows import Window
from ai_cost_calc.errors import ConfigError

ENDED: Final = 8_192
"""How many reservations that ended are remembered at least; twice as many at most."""
WINDOWS: Final = 16_384
"""How many windows are kept whatever their age, so that a clock that is wrong for a while forgets nothing."""
_ROOMY: Final = 64
_FOREVER: Final = float("inf")


class _Sums:
    """What counts towards a rolling limit: all sub-windows up to the newest, together; out of date without a newest."""

    __slots__ = ("held", "newest", "spent")

    def __init__(self) -> None:
        self.newest = ""
        self.spent = 0
        self.held = 0


class _Cell:
    """The state of one window of one key; a sub-window also knows the sums that it is counted in."""

    __slots__ = ("held", "spent", "sums")

    def __init__(self, sums: _Sums | None) -> None:
        self.spent = 0
        self.held = 0
        self.sums = sums


class _Account:
    """The windows of one key, and for rolling ones the sums that are right now."""

    __slots__ = ("sums", "windows")

    def __init__(self) -> None:
        self.windows: dict[str, _Cell] = {}
        self.sums: _Sums | None = None


_Taken = tuple[_Cell, int]
"""Where something is held, and how much."""
_Hold = tuple[float, Sequence[_Taken]]
"""When the lease of a reservation ends, and what it holds."""


class MemoryBudgetStore:
    """Budget state in this process's memory; its threads share it, other processes do not see it.

    A forked child starts with what was spent, and with none of its parent's holds.

    Args:
        ended: how many reservations that ended are remembered at least, so that ending them again changes nothing.
        windows: how many windows are kept however long past they are.
    """

    def __init__(self, *, ended: int = ENDED, windows: int = WINDOWS) -> None:
        # Reentrant: a stream that is garbage settles from its finalizer, which can run inside of any operation here.
        self._lock = threading.RLock()
        self._accounts: dict[str, _Account] = {}
        self._holds: dict[ReservationId, _Hold] = {}
        self._leases: list[tuple[float, ReservationId]] = []
        self._crowded = _ROOMY
        self._remembered = ended
        self._ended: set[ReservationId] = set()
        self._ended_before: set[ReservationId] = set()
        self._kept = windows
        self._ages: list[tuple[float, str, str]] = []
        _stores.add(self)

    def reserve(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> Refusal | None:
        """Hold every claim, or return why one did not fit and hold none."""
        name = reservation.id
        with self._lock:
            leases = self._leases
            if leases and leases[0][0] <= now:
                self._expire(now)
            if name in self._holds or name in self._ended or name in self._ended_before:
                return None
            taken: list[_Taken] = []
            undo = iter(taken)
            try:
                refusal = self._take(reservation.claims, taken, now)
                if refusal is None:
                    lease_end = now + lease_seconds
                    heappush(leases, (lease_end, name))
                    self._holds[name] = (lease_end, taken)
                    if len(leases) > self._crowded:
                        self._tidy()
                else:
                    self._give_back(name, undo)
            except BaseException:  # an interrupt must not leave behind what nobody will settle
                self._give_back(name, undo)
                raise
            return refusal

    def settle(self, reservation: Reservation, actuals: Sequence[int], /, *, now: float) -> None:
        """End the hold and book what each claim really came to, in the window of the reservation."""
        claims = reservation.claims
        if len(actuals) != len(claims):
            raise ValueError(f"{len(actuals)} amounts for {len(claims)} claims")
        with self._lock:
            name = reservation.id
            hold = self._holds.get(name)
            if hold is None and (name in self._ended or name in self._ended_before):
                return
            taken = hold[1] if hold is not None else [(self._cell(c.key, c.window, now), 0) for c in claims]
            steps = zip(taken, actuals)  # noqa: B905 - lengths were checked; `strict` takes as long as the lock
            try:
                self._end(name, steps)
            except BaseException:  # an interrupt between two budgets must not leave the others held
                self._end(name, steps)
                raise

    def release(self, reservation: Reservation, /, *, now: float) -> None:
        """End the hold and book nothing."""
        self.settle(reservation, [0] * len(reservation.claims), now=now)

    def extend(self, reservation: Reservation, /, *, now: float, lease_seconds: float) -> None:
        """Let the lease of a call that is still running end later; one that has ended stays ended."""
        with self._lock:
            hold = self._holds.get(reservation.id)
            if hold is not None and now < hold[0] < now + lease_seconds:
                # The old lease end stays in line; when its turn comes, the new one takes its place.
                self._holds[reservation.id] = (now + lease_seconds, hold[1])

    def book(self, reservation: Reservation, /, *, now: float) -> None:
        """Count the amounts of these claims as spent; they never had a hold."""
        self.settle(reservation, [claim.amount for claim in reservation.claims], now=now)

    def seed(self, key: str, window: Window, spent: int, /) -> None:
        """State was lost or is new: take the ledger's figure, unless the store already knows of more."""
        with self._lock:
            cell = self._cell(key, window, -_FOREVER)
            if spent > cell.spent:
                if cell.sums is not None:
                    cell.sums.spent += spent - cell.spent
                cell.spent = spent

    def state(self, claims: Sequence[Claim], /, *, now: float) -> list[BudgetState]:
        """What is spent and held for each claim's key, over the windows that count."""
        with self._lock:
            self._expire(now)
            return [self._state(claim) for claim in claims]

    def held(self, /, *, now: float) -> int:
        """How many reservations are held at this moment."""
        with self._lock:
            self._expire(now)
            return len(self._holds)

    def close(self) -> None:
        """Nothing was opened; the state goes with the object."""

    # All below runs under the lock.

    def _take(self, claims: Sequence[Claim], taken: list[_Taken], now: float) -> Refusal | None:
        """Hold claim by claim, noting in `taken` what; stop at the one that does not fit.

        Nothing may be called between reading the sums and noting: calls are where finalizers and interrupts come in.
        """
        accounts = self._accounts
        for claim in claims:
            window = claim.window
            try:
                cell = accounts[claim.key].windows[window.id]
            except KeyError:
                cell = self._cell(claim.key, window, now)
            amount = claim.amount
            limit = claim.budget.ceiling
            sums = cell.sums
            if sums is None:
                if limit is not None and cell.spent + cell.held + (amount or 1) > limit:
                    return Refusal(claim=claim, spent=cell.spent, held=cell.held)
                cell.held += amount
            else:
                sums = sums if sums.newest == window.id else self._recounted(claim)
                if limit is not None and sums.spent + sums.held + (amount or 1) > limit:
                    return Refusal(claim=claim, spent=sums.spent, held=sums.held)
                cell.held += amount
                sums.held += amount
            taken.append((cell, amount))
        return None

    def _end(self, name: ReservationId, steps: Iterator[tuple[_Taken, int]]) -> None:
        """End a reservation for good: book the actual amounts in place of what it took."""
        self._holds.pop(name, None)
        self._ended.add(name)
        for (cell, amount), actual in steps:
            cell.held -= amount
            cell.spent += actual
            sums = cell.sums
            if sums is not None:
                sums.held -= amount
                sums.spent += actual
        if len(self._ended) >= self._remembered:
            self._ended_before = self._ended
            self._ended = set()

    def _give_back(self, name: ReservationId, taken: Iterator[_Taken]) -> None:
        """Hold nothing any more; what the reservation comes to may still be booked."""
        self._holds.pop(name, None)
        for cell, amount in taken:
            cell.held -= amount
            if cell.sums is not None:
                cell.sums.held -= amount

    def _expire(self, now: float) -> None:
        """End the holds whose lease has ended."""
        leases, holds = self._leases, self._holds
        while leases and leases[0][0] <= now:
            name = leases[0][1]
            hold = holds.get(name)
            if hold is not None and hold[0] > now:
                heapreplace(leases, (hold[0], name))
                continue
            if hold is not None:
                taken = iter(hold[1])
                try:
                    self._give_back(name, taken)
                except BaseException:  # as in `settle`
                    self._give_back(name, taken)
                    raise
            heappop(leases)

    def _tidy(self) -> None:
        """Forget the leases of holds that were settled."""
        self._leases[:] = [(hold[0], name) for name, hold in self._holds.copy().items()]
        heapify(self._leases)
        self._crowded = 2 * len(self._leases) + _ROOMY

    def _cell(self, key: str, window: Window, now: float) -> _Cell:
        """The state of this window, begun if need be."""
        account = self._accounts.setdefault(key, _Account())
        known = account.windows.get(window.id)
        if known is not None:
            return known
        if account.sums is not None:
            account.sums.newest = ""
        cell = account.windows.setdefault(window.id, _Cell(_Sums() if len(window.ids) > 1 else None))
        self._forget(now)
        if window.end != _FOREVER:
            heappush(self._ages, (window.end + len(window.ids) * (window.end - window.start), key, window.id))
        return cell

    def _recounted(self, claim: Claim) -> _Sums:
        """Sum up the sub-windows that count at this claim's window, and keep the sums for the next one."""
        account = self._accounts[claim.key]
        if account.sums is not None:
            account.sums.newest = ""
        account.sums = sums = _Sums()
        for name in claim.window.ids:
            cell = account.windows.get(name)
            if cell is not None:
                sums.spent += cell.spent
                sums.held += cell.held
                cell.sums = sums
        sums.newest = claim.window.id
        return sums

    def _forget(self, now: float) -> None:
        """Drop windows that are long past, two for each one begun, so that no call waits for many."""
        for _ in range(2):
            if len(self._ages) < self._kept or self._ages[0][0] > now:
                return
            _, key, name = heappop(self._ages)
            account = self._accounts.get(key)
            if account is not None:
                account.windows.pop(name, None)
                if not account.windows:
                    del self._accounts[key]

    def _state(self, claim: Claim) -> BudgetState:
        account = self._accounts.get(claim.key)
        if account is None:
            return BudgetState()
        cells = [cell for name in claim.window.ids if (cell := account.windows.get(name)) is not None]
        return BudgetState(spent=sum(cell.spent for cell in cells), held=sum(cell.held for cell in cells))

    def _renew(self) -> None:
        """In a forked child: the lock may be held by a thread that is not here, and the holds are the parent's."""
        self._lock = threading.RLock()
        self._holds = {}
        self._leases = []
        for account in self._accounts.values():
            for cell in account.windows.values():
                cell.held = 0
                cell.sums = None if cell.sums is None else _Sums()


def open_memory_store(url: str) -> MemoryBudgetStore:
    """The store of the URL `memory:`; every call gives a new one.

    Raises:
        ConfigError: the URL says more than that.
    """
    if url not in ("memory:", "memory://"):
        raise ConfigError(f"budget store {url!r} is not possible: memory has no name, write 'memory:'")
    return MemoryBudgetStore()


_stores: WeakSet[MemoryBudgetStore] = WeakSet()


def _renew_all() -> None:
    for store in list(_stores):
        store._renew()  # noqa: SLF001 - the same module


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_renew_all)
