"""Rules that say which names mean which model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, Literal

import msgspec

Op = Literal["equals", "starts_with", "ends_with", "contains", "regex", "or", "and"]


class Clause(msgspec.Struct, frozen=True, array_like=True):
    """One rule of genai-prices: a comparison with a text in lower case, or several rules joined.

    Attributes:
        op: how to compare, or `or`, `and` for joined rules.
        text: what to compare with; a pattern for `regex`, which may match anywhere in a name.
        of: the joined rules.
    """

    op: Op
    text: str = ""
    of: tuple[Clause, ...] = ()

    def matches(self, name: str) -> bool:
        """Whether the rule accepts this name (in lower case)."""
        op, text = self.op, self.text
        if op == "equals":
            return name == text
        if op == "starts_with":
            return name.startswith(text)
        if op == "contains":
            return text in name
        if op == "ends_with":
            return name.endswith(text)
        if op == "regex":
            return re.search(text, name) is not None
        join = any if op == "or" else all
        return join(clause.matches(name) for clause in self.of)

    def texts(self) -> Iterator[str]:
        """Every text that the rule compares with, patterns left out."""
        if self.of:
            for clause in self.of:
                yield from clause.texts()
        elif self.op != "regex":
            yield self.text


_COMPACT_DATE: Final = re.compile(r"-(20\d{2})(\d{2})(\d{2})(?=-|:|$)")
_VERSION: Final = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest|default))?(?:-v\d+)?(?::\d+)?$")
_GEOGRAPHY: Final = re.compile(r"^(?:us|eu|apac|jp|au|ca|in|us-gov|global|regional)\.(?=[a-z0-9-]+\.)")
"""What Bedrock puts before a model for a cross-region inference profile (docs.aws.amazon.com, "Supported Regions and
models for inference profiles"); `regional` is genai-prices' word for all of them but `global`."""
_CUSTOMIZED: Final = re.compile(
    r"(?:^|/)ft:|[.:]ft-|(?:^|/)tunedmodels/|(?:^|[:/])(?:custom-model(?:-deployment)?|imported-model|provisioned-model)/"
)
"""Names that OpenAI, Mistral (`ft:`), Azure (`.ft-`), Google and Bedrock give to models that were trained further, or
reserved."""


_VARIANT: Final = re.compile(r":(?:exacto|floor|nitro|online|thinking)$", re.IGNORECASE)
"""What OpenRouter adds to a model to choose how it is served (openrouter.ai/docs, "Model variants", 2026-11)."""

SEARCHING: Final = ":online"
"""The variant that searches the web for every request, at a price beside the model's."""


def without_variant(name: str) -> str:
    """A model's name without what chooses how it is served: `openai/gpt-4o:nitro` as `openai/gpt-4o`."""
    return _VARIANT.sub("", name)


def with_dashed_date(name: str) -> str:
    """`gpt-5.2-20251211`, as LiteLLM and OpenRouter write it, as `gpt-5.2-2025-12-11`."""
    return _COMPACT_DATE.sub(lambda found: _dashed(found) or found.group(), name)


def _dashed(found: re.Match[str]) -> str | None:
    try:
        return f"-{date(*map(int, found.groups())).isoformat()}"
    except ValueError:
        return None


def plain(name: str) -> str:
    """A name without date or version, and without what an ARN, a path or an inference profile puts before it."""
    return _GEOGRAPHY.sub("", _VERSION.sub("", name.rpartition("/")[2]))


def is_customized(name: str) -> bool:
    """Whether a name (in lower case) is that of a fine-tuned, imported or reserved model, priced by itself."""
    return _CUSTOMIZED.search(name) is not None
