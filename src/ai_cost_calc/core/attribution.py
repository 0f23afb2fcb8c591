"""Who and what a call is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NewType

import msgspec

CustomerId = NewType("CustomerId", str)

MAX_LENGTH: Final = 255


class Attribution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who and what a call is for. Scopes nest: the inner one wins, name by name; tags merge.

    Args:
        customer_id: whose call it is, in your own ids.
        feature: what it is for; `event_type` on the wire.
        session_id: groups the calls of one run or conversation.
        tags: further labels, strings to strings.
    """

    customer_id: str | None = None
    feature: str | None = None
    session_id: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    def merged(self, inner: Attribution) -> Attribution:
        """This attribution with what `inner` states on top."""
        return Attribution(
            customer_id=self.customer_id if inner.customer_id is None else inner.customer_id,
            feature=self.feature if inner.feature is None else inner.feature,
            session_id=self.session_id if inner.session_id is None else inner.session_id,
            tags={**self.tags, **inner.tags} if inner.tags else self.tags,
        )


def attribution(
    customer_id: str | None = None,
    feature: str | None = None,
    session_id: str | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> Attribution:
    """Build an attribution from what a user wrote.

    Raises:
        TypeError: a value is not a string (a number as customer id hides a bug more often than it helps).
        ValueError: a value is empty, longer than 255 characters or cannot be stored as text.
    """
    if tags is None and _LABELS.issuperset((type(customer_id), type(feature), type(session_id))):
        return _remembered(customer_id, feature, session_id)
    return _checked(customer_id, feature, session_id, tags)


_LABELS: Final = frozenset({str, type(None)})
_REMEMBERED: Final = 1_024
"""For how many combinations of labels the attribution is at hand: most calls are for those seen last."""


def _checked(
    customer_id: str | None,
    feature: str | None,
    session_id: str | None,
    tags: Mapping[str, str | None] | None = None,
) -> Attribution:
    return Attribution(
        customer_id=None if customer_id is None else label("customer_id", customer_id),
        feature=None if feature is None else label("feature", feature),
        session_id=None if session_id is None else label("session_id", session_id),
        tags={} if tags is None else _tags(tags),
    )


_remembered = lru_cache(_REMEMBERED)(_checked)


def _tags(tags: Mapping[str, str | None]) -> dict[str, str]:
    """A tag without a value is left out, as a customer or feature is."""
    if not isinstance(tags, Mapping):
        raise TypeError(f'tags must be a mapping of names to values, such as {{"plan": "pro"}}, not {tags!r}')
    return {label("tag name", name): label(f"tag {name!r}", value) for name, value in tags.items() if value is not None}


def label(name: str, value: Any) -> str:
    """What a call or a budget may be labelled with, without blanks around it.

    Raises:
        TypeError: it is no string.
        ValueError: it is empty, too long or cannot be stored.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    stripped = value.strip()
    if not stripped or len(stripped) > MAX_LENGTH:
        raise ValueError(f"{name} must have 1 to {MAX_LENGTH} characters; leave it out when there is none")
    if "\0" in stripped or not _encodable(stripped):
        raise ValueError(f"{name} must be text that can be stored: no NUL, no half of a surrogate pair")
    return stripped


def _encodable(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


NOBODY: Final = Attribution()
