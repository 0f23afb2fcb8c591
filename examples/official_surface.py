"""The calls of the official client 1.3, unchanged: guard, add usage, track.

Needs no provider: `ask` stands for a call of any SDK.
"""

from __future__ import annotations

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded


def ask() -> dict[str, str]:
    """Stand for a call to a provider."""
    return {"id": "chatcmpl-1", "text": "The printer is on fire again."}


def main() -> None:
    """Make calls until the customer's budget is used up."""
    with AiCostCalc("memory:", budgets=[Budget("0.02", per="day", each="customer")]) as calc:
        for _ in range(4):
            try:
                response = calc.guarded_call(customer_id="cust_123", event_type="chat", call=ask)
            except BudgetExceeded as refusal:
                print(f"blocked: {refusal.scope}, ${refusal.spent} of ${refusal.limit}")
                break
            calc.add_usage(model="openai/gpt-4o", input_tokens=1_000, output_tokens=500)
            calc.track(customer_id="cust_123", event_type="chat", revenue_amount_in_cents=2)
            print(f"answered: {response['id']}")
        price = calc.cost("openai/gpt-4o", input_tokens=1_000, output_tokens=500)
        if price is not None:
            print(f"one call: ${price.input_cost} + ${price.output_cost} = ${price.total_cost}")
        total = calc.report().total
        print(f"{total.calls} calls, cost ${total.cost}, revenue ${total.revenue}, margin ${total.margin}")


if __name__ == "__main__":
    main()
