"""Signed requests are taken once: a copy of one that was accepted is refused for as long as its signature holds."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from stream.gateway.signatures import WINDOW_SECONDS, SignatureError

__all__ = ["Replays"]


class Replays:
    """What was accepted, of one process; only where the signature has an instant, for else it is no other request.

    A request is known by its source, the instant and the body, not by the header, which may be spelt in several ways.
    """

    def __init__(self) -> None:
        # when each is too old to be taken anyway, about in that order
        self._until: dict[tuple[str, float, bytes], float] = {}

    @contextmanager
    def once(self, source: str, signed_at: float | None, body: bytes, now: float) -> Iterator[None]:
        """Take a request inside the block; one that fails there may come again.

        Times are Unix seconds; `signed_at` None: nothing is remembered. Raises SignatureError for a copy.
        """
        if signed_at is None:
            yield
            return
        while self._until and (first := next(iter(self._until.items())))[1] < now:
            del self._until[first[0]]
        key = source, signed_at, hashlib.sha256(body).digest()
        if key in self._until:
            raise SignatureError("replayed", "this very request was taken already: sign it anew to send it again")
        self._until[key] = signed_at + WINDOW_SECONDS
        try:
            yield
        except BaseException:
            del self._until[key]
            raise
