"""What a command says in its own words, instead of failing with a trace."""


class Fault(Exception):  # noqa: N818 - it is the outside that is at fault
    """Something outside the program is not as it must be: the text says what, and what to do, a line each."""
