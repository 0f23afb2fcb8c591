"""Protocols between the flow of a call and the outside: ledgers, budget stores, providers. Each promise is written out.

Imports only `core` and `errors`.
"""
