"""The reference of the commands, `docs/commands.md`, from the command line itself."""

import re
import sys
from unittest.mock import patch

from stream.cli import app

FILE = "commands.md"
_INTRODUCTION = """\
# Commands

Written by `make docs-pages` from the command line; `sixfold COMMAND --help` says the same.

Exit codes: 0 done; 1 a negative answer (a difference, an event that would be rejected, something left over); 2 wrong
usage, or a service that is busy or out of reach, with one line that says which; 130 on Ctrl-C. Results go to stdout,
progress and complaints to stderr.
"""


def render() -> str:
    """The whole page: every command with its meaning, examples and options."""
    with patch.object(sys, "argv", ["sixfold"]):  # cyclopts takes the program's name from there
        text = app.generate_docs(output_format="markdown")
    start = re.search(r"^## sixfold \w", text, flags=re.MULTILINE)
    if start is None:
        raise RuntimeError("cyclopts writes its reference in another form: correct deploy/site/commands_page.py")
    body = text[start.start() :].replace("```console", "```text")
    return f"{_INTRODUCTION}\n{body.rstrip()}\n"
