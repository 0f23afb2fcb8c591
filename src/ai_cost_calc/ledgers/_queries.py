"""Named queries from the `.sql` files in `sql/`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

SQL_FOLDER: Final = Path(__file__).parent / "sql"

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*\n?", re.MULTILINE)


@cache
def load_queries(file_name: str) -> dict[str, str]:
    """The queries of one file by the name in the `-- name:` line above each; later comment lines are left out.

    Names in braces stand for columns, tables and conditions that `_statements` fills in, never for users' values.
    """
    _, *parts = _NAME.split((SQL_FOLDER / file_name).read_text(encoding="utf-8"))
    texts = (_COMMENT.sub("", text).strip().removesuffix(";") for text in parts[1::2])
    return dict(zip(parts[::2], texts, strict=True))
