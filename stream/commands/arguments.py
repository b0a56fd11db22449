"""Arguments of which one may be `-`, standard input."""

import re
from collections.abc import Sequence

from cyclopts import Parameter

_OPTION = re.compile(r"-+[\w-]+(=.*)?")


def _refuse_options(_: object, value: object) -> None:
    """Keep a mistyped option from being taken for a file or a query."""
    for each in value if isinstance(value, Sequence) and not isinstance(value, str) else (value,):
        if _OPTION.fullmatch(str(each)):
            raise ValueError(f"Unknown option: {each}")


OR_STDIN = Parameter(allow_leading_hyphen=True, validator=_refuse_options)
"""Marks an argument that takes `-`."""
