"""What calls came to before, and what the next ones are taken to cost."""

from __future__ import annotations

import threading

import pytest

from ai_cost_calc.budgets.learning import Learned
from ai_cost_calc.core.estimate import Amounts


@pytest.fixture
def learned() -> Learned:
    """One dear and one cheap model in one feature, and the cheap one in another."""
    learned = Learned()
    learned.observe("openai", "gpt-5", "chat", 900, 90)
    learned.observe("openai", "gpt-5-mini", "chat", 20, 60)
    learned.observe("openai", "gpt-5-mini", "search", 10, 30)
    return learned


def test_the_same_kind_of_call_is_asked_first(learned: Learned) -> None:
    """A model in a feature costs what it cost there."""
    assert learned.upper("openai", "gpt-5", "chat") == Amounts(900, 90)
    assert learned.upper("openai", "gpt-5-mini", "search") == Amounts(10, 30)


def test_a_model_in_a_new_feature_costs_what_it_costs_elsewhere(learned: Learned) -> None:
    """The model says more about a cost than the feature."""
    assert learned.upper("openai", "gpt-5-mini", "translate") == Amounts(20, 60)
    assert learned.upper("openai", "gpt-5-mini", None) == Amounts(20, 60)


def test_a_new_model_in_a_feature_costs_what_others_cost_there(learned: Learned) -> None:
    """Better than nothing is what the feature came to."""
    assert learned.upper("anthropic", "claude-sonnet-4-5", "search") == Amounts(10, 30)
    assert learned.upper("azure", "gpt-5", "chat") == Amounts(900, 90)


def test_nothing_alike_is_nothing_known(learned: Learned) -> None:
    """A new model in a new feature is left to the prior."""
    assert learned.upper("anthropic", "claude-sonnet-4-5", "translate") is None
    assert Learned().upper("openai", "gpt-5", "chat") is None


def test_a_block_is_taken_for_a_call_of_its_feature_until_it_was_seen(learned: Learned) -> None:
    """A guarded block of which only the feature is known starts from the feature's calls, and then has its own past."""
    assert learned.upper(None, None, "search") == Amounts(10, 30)
    learned.observe(None, None, "search", 5_000, 400)
    assert learned.upper(None, None, "search") == Amounts(5_000, 400)


def test_blocks_do_not_raise_what_calls_are_taken_to_cost(learned: Learned) -> None:
    """A block of many calls says nothing about one call of a new model."""
    learned.observe(None, None, "search", 5_000, 400)
    assert learned.upper("anthropic", "claude-sonnet-4-5", "search") == Amounts(10, 30)


def test_memory_is_bounded() -> None:
    """Kinds of calls that nobody makes any more are forgotten; those made now are known."""
    learned = Learned(size=20)
    for number in range(1_000):
        learned.observe("openai", f"model {number}", "chat", number, 1)
    assert len(learned._histories) <= 40
    assert learned.upper("openai", "model 999", "chat") == Amounts(999, 1)
    assert learned.upper("openai", "model 0", "elsewhere") is None


def test_reserved_over_settled() -> None:
    """The ratio is of the sums, and is unknown before any call has ended."""
    learned = Learned()
    assert learned.ratio is None
    learned.count(100, 50)
    learned.count(20, 50)
    assert (learned.reserved, learned.settled) == (120, 100)
    learned.count(0, 0)
    assert learned.ratio == 1.2


def test_threads_may_learn_at_once() -> None:
    """Eight threads that observe and ask keep to what was observed."""
    learned = Learned(size=4)
    strange: list[Amounts] = []

    def work(offset: int) -> None:
        for number in range(2_000):
            model = (number + offset) % 8
            learned.observe("openai", f"model {model}", "chat", 10 + model, 5)
            upper = learned.upper("openai", f"model {model}", "chat")
            if upper is not None and not (10 <= (upper.nanos or 0) <= 17 and upper.tokens == 5):
                strange.append(upper)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert strange == []
