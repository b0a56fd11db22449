"""Why an event or a payload is refused: one code for machines, one sentence for people."""

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


class PayloadReason(StrEnum):
    """The codes that only the payload of a source can be refused for; the others of these are `Reason`'s."""

    INVALID_PAYLOAD = "invalid-payload"
    INVALID_DATE = "invalid-date"
    INVALID_XML = "invalid-xml"
    WRONG_ACCOUNT = "wrong-account"
    SECOND_FIGURE = "second-figure"
    PERSONAL_ID = "personal-id"


AnyReason = Reason | PayloadReason
REASONS: dict[str, AnyReason] = {str(reason): reason for reason in (*Reason, *PayloadReason)}
"""All that a dead letter can carry, by their text."""


class Rejected(Exception):  # noqa: N818 - a verdict on someone's data, not an error of the program
    """An event that is not taken.

    `message` names the member at fault ("data.amount: 12.34567 has more than 4 decimals"). Numbers and dates
    are quoted, free text never is: it could be somebody's name, and messages end up in logs.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
