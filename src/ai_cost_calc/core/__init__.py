"""Pure values and rules: money, usage, prices, attribution, budgets, windows, estimates, events, the flow of a call.

Nothing here does I/O, reads a clock, starts a thread or knows a vendor. Imports only `errors`.
"""
