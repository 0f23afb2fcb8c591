"""What wrapping a client means, whatever it is a client of: once, by one meter, until it is unwrapped or a block ends.

A wrapped object's class is exchanged for a subclass of it, so that `isinstance`, copies and attributes stay what they
are, whoever holds the object goes through the guard, and nothing is added to the object itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy, deepcopy
from copyreg import __newobj__  # type: ignore[attr-defined]  # what `object.__reduce_ex__` names
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.forks import ForkLock, held_over_forks
from ai_cost_calc.ports.providers import Meter

T = TypeVar("T")

_WRAPPING: Final = "_ai_cost_calc_wrapping"


class Standing(Protocol):
    """What a class that stands in for another one knows."""

    base: type[Any]
    meter: Meter


class Wraps(ABC):
    """`wrap` and `unwrap` as `ports.providers.Provider` promises them; how it is done is up to the subclass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = held_over_forks(ForkLock())
        self._blocks: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    @abstractmethod
    def meter_of(self, client: Any) -> Meter | None:
        """Whom this client reports to, if it is wrapped."""

    @abstractmethod
    def put_on(self, client: Any, meter: Meter) -> None:
        """Guard a client that is not wrapped."""

    @abstractmethod
    def take_off(self, client: Any) -> None:
        """Make a wrapped client what it was."""

    def wrap(self, client: Any, meter: Meter, *, scoped: bool = False) -> None:
        """See `ports.providers.Provider`."""
        with self._lock:
            held = self.meter_of(client)
            if held is not None and held is not meter:
                raise ConfigError(
                    f"this {type(client).__name__} client is wrapped by another AiCostCalc: unwrap it there first"
                )
            if held is None:
                self.put_on(client, meter)
            if scoped and (held is None or client in self._blocks):
                self._blocks[client] = self._blocks.get(client, 0) + 1
            elif not scoped:
                self._blocks.pop(client, None)

    def unwrap(self, client: Any, *, scoped: bool = False) -> None:
        """See `ports.providers.Provider`."""
        with self._lock:
            if scoped:
                left = self._blocks.get(client, 0) - 1
                if left > 0:
                    self._blocks[client] = left
                if left != 0:
                    return
            self._blocks.pop(client, None)
            if self.meter_of(client) is not None:
                self.take_off(client)


def standing(obj: Any) -> Any:
    """What the class of this object knows, if it stands in for another one."""
    return getattr(type(obj), _WRAPPING, None)


def stand_in(wrapping: Standing, namespace: dict[str, Any], *beside: type[Any]) -> type[Any]:
    """A subclass that passes for its base, with these methods of its own.

    Args:
        beside: mixins that go before the base.
    """
    made: type[Any] = passing_for(wrapping.base, {_WRAPPING: wrapping, **namespace}, *beside)
    return made


def passing_for(base: type[Any], namespace: dict[str, Any], *beside: type[Any]) -> Any:
    """A subclass that looks like its base, for an object whose class is exchanged for it."""
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    metaclass: Any = type(base)
    return metaclass(base.__name__, (*beside, base), {"__slots__": (), **names, **namespace})


def copying(base: type[Any], rewrapped: Callable[[Any], Any]) -> dict[str, Any]:
    """The methods by which a wrapped object is copied and pickled.

    Args:
        rewrapped: wraps a copy, made as one of a bare object.
    """
    return {
        "__copy__": lambda self: rewrapped(as_bare(base, self, copy)),
        "__deepcopy__": lambda self, memo: rewrapped(as_bare(base, self, lambda shadow: deepcopy(shadow, memo))),
        "__reduce_ex__": lambda self, protocol: _reduced(base, self, protocol),
    }


def _reduced(base: Any, obj: Any, protocol: Any) -> Any:
    """Pickled, a wrapped object is a bare one: a meter belongs to its process."""
    made = as_bare(base, obj, lambda shadow: base.__reduce_ex__(shadow, protocol))
    if isinstance(made, tuple) and made[0] is __newobj__ and made[1] == (base,):
        return (object.__new__, *made[1:])  # pickle allows the usual form for an object's own class only
    return made


def as_bare(base: type[Any], obj: Any, do: Callable[[Any], T]) -> T:
    """What comes of an object's state under its own class: some methods look whether it is exactly that."""
    shadow = object.__new__(base)
    shadow.__dict__ = vars(obj)
    try:
        return do(shadow)
    finally:
        if hasattr(base, "__del__"):  # which must not run for the shadow: it may close the object
            shadow.__class__ = type("Shadow", (base,), {"__slots__": (), "__del__": lambda _: None})


def check_version(package: str, version: str, oldest: tuple[int, ...]) -> None:
    """Refuse a library that is too old.

    Raises:
        ConfigError: it is.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < oldest:
        raise ConfigError(f"{package} {version} is too old: upgrade to {package}>={'.'.join(map(str, oldest))}")
