"""What was used lately is kept."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.recent import Recent


@given(size=st.integers(1, 8), uses=st.lists(st.integers(0, 20), max_size=200))
def test_the_entries_used_last_are_kept(size: int, uses: list[int]) -> None:
    """Of all that was put or asked for, the last `size` are there, unchanged, and never more than twice as many."""
    recent: Recent[int, str] = Recent(size)
    for use in uses:
        if recent.get(use) is None:
            recent.put(use, f"value {use}")
        assert len(recent) <= 2 * size
    last = list(dict.fromkeys(reversed(uses)))[:size]
    assert [recent.get(use) for use in reversed(last)] == [f"value {use}" for use in reversed(last)]


def test_what_was_not_used_for_long_is_forgotten() -> None:
    """Memory does not grow with all that ever was."""
    recent: Recent[int, int] = Recent(10)
    for number in range(1_000):
        recent.put(number, number)
    assert recent.get(0) is None
    assert len(recent) <= 20


def test_an_entry_can_be_replaced() -> None:
    """The value put last is the one that counts, wherever the entry was."""
    recent: Recent[str, int] = Recent(1)
    recent.put("a", 1)
    recent.put("b", 1)
    recent.put("a", 2)
    assert recent.get("a") == 2


def test_threads_never_mix_entries_up() -> None:
    """Eight threads at once find what belongs to a key, or nothing."""
    recent: Recent[int, int] = Recent(16)
    wrong: list[tuple[int, int]] = []

    def work(offset: int) -> None:
        for number in range(5_000):
            key = (number * 7 + offset) % 64
            found = recent.get(key)
            if found is None:
                recent.put(key, key * key)
            elif found != key * key:
                wrong.append((key, found))

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(recent) <= 2 * 16 + 8
