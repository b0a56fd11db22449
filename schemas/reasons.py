"""Why an event is refused: one code for machines, one sentence for people."""

from enum import StrEnum


class Reason(StrEnum):
    """The code that a dead letter carries; its text is part of the contract."""

    INVALID_JSON = "invalid-json"
    INVALID_ENVELOPE = "invalid-envelope"
    UNKNOWN_TYPE = "unknown-type"
    MISSING_MEMBER = "missing-member"
    INVALID_MEMBER = "invalid-member"
    TOO_LARGE = "too-large"
    TIME_IN_FUTURE = "time-in-future"


class Rejected(Exception):  # noqa: N818 - a verdict on someone's data, not an error of the program
    """An event that is not taken.

    `message` names the member at fault ("data.amount: 12.34567 has more than 4 decimals"). Numbers and dates
    are quoted, free text never is: it could be somebody's name, and messages end up in logs.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
