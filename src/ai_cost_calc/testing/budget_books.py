"""What every budget book promises, as tests: subclass `BudgetBookConformance`, give it a `book` fixture, run pytest."""

from __future__ import annotations

from ai_cost_calc.ports.ledgers import BudgetBook


class BudgetBookConformance:
    """The promises of `ports.ledgers.BudgetBook`; provide a `book` fixture that gives an empty one."""

    def test_a_definition_comes_back(self, book: BudgetBook) -> None:
        """What JSON can hold comes back as it was saved, under its id."""
        definition = {"limit": "25.00", "per": "day", "alert_at": [0.5, 1.0], "tags": {"plan": "pro"}, "rolling": False}
        book.save_budget("daily", definition)
        book.save_budget("other", {})
        assert book.budgets() == {"daily": definition, "other": {}}

    def test_saving_again_replaces(self, book: BudgetBook) -> None:
        """The last definition of an id is the one that is kept."""
        book.save_budget("daily", {"limit": "25.00", "mode": "warn"})
        book.save_budget("daily", {"limit": "30.00"})
        assert book.budgets() == {"daily": {"limit": "30.00"}}

    def test_removing_says_whether_there_was_one(self, book: BudgetBook) -> None:
        """A definition can be removed once."""
        book.save_budget("daily", {"limit": "25.00"})
        assert book.remove_budget("daily")
        assert not book.remove_budget("daily")
        assert book.budgets() == {}

    def test_organizations_are_apart(self, book: BudgetBook) -> None:
        """The same id in two organizations is two budgets."""
        book.save_budget("daily", {"limit": "25.00"})
        book.save_budget("daily", {"limit": "1.00"}, organization="theirs")
        assert not book.remove_budget("daily", organization="nobody")
        assert book.remove_budget("daily")
        assert book.budgets(organization="theirs") == {"daily": {"limit": "1.00"}}
