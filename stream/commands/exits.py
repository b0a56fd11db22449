"""Exit codes, and the error that ends a command with one line."""

from stream.faults import Fault

OK = 0
NEGATIVE = 1
"""The command worked and the answer is no: a difference, a timeout, something rejected."""
REFUSED = 2
"""Wrong usage or settings, a service that cannot be reached, or one that is busy."""
INTERRUPTED = 130


class CommandError(Fault):
    """Ends the command with this one line on stderr, which says what to do, and exit code 2."""
