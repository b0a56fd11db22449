"""The commands of a documentation page: its indented and fenced blocks of shell lines."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHELL = {"sh", "bash", "shell", "console"}
"""Languages of fences whose every line is a command."""

PROGRAMS = {
    *("sixfold", "make", "export", "git", "pip", "npm", "unzip", "docker", "kubectl", "kustomize", "curl", "python"),
    *("python3", "uv", "openssl", "mvn", "go", "apt-get", "sudo", "cd", "psql", "clickhouse-client", "promtool"),
    *("amtool", "kafka-topics.sh", "kafka-acls.sh", "helm"),
}
"""What an indented block of commands begins with."""

_MARK = re.compile(r"<!-- not run: (?P<reason>.+?) -->")
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=\S*")


@dataclass(frozen=True)
class Command:
    """One command line, and why it is not run ('' if nothing is said)."""

    page: str
    line: int
    text: str
    reason: str

    def parts(self) -> Iterator[list[str]]:
        """The words of each program call in it: split at `&&`, `||`, `;` and `|`, redirections left out."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        skip = False
        for word in lexer:
            if word in ("&&", "||", "|", ";"):
                yield words
                words = []
            elif set(word) <= {"<", ">"}:
                skip = True
            elif skip:
                skip = False
            else:
                words.append(word)
        yield words


def commands(path: Path, page: str) -> Iterator[Command]:
    """All commands of a page, in order; a mark counts for the block that follows it."""
    lines = path.read_text("utf-8").splitlines()
    reason, number = "", 0
    while number < len(lines):
        line = lines[number]
        if mark := _MARK.fullmatch(line.strip()):
            reason = mark["reason"]
            number += 1
        elif line.lstrip().startswith("```"):
            end = next((i for i in range(number + 1, len(lines)) if lines[i].lstrip().startswith("```")), len(lines))
            if line.strip().strip("`").split(" ")[0] in SHELL:
                yield from _joined(page, number + 2, lines[number + 1 : end], reason)
            reason, number = "", end + 1
        elif line.startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            end = next((i for i in range(number, len(lines)) if not lines[i].startswith("    ")), len(lines))
            if program_of(line) in PROGRAMS:
                yield from _joined(page, number + 1, lines[number:end], reason)
            reason, number = "", end
        else:
            if line.strip():
                reason = ""
            number += 1


def program_of(text: str) -> str:
    """The program that a command line calls, without folders and assignments before it."""
    words = [word for word in text.split() if not _ASSIGNMENT.fullmatch(word)]
    return words[0].rpartition("/")[2] if words else ""


def _joined(page: str, first: int, lines: list[str], reason: str) -> Iterator[Command]:
    text, start = "", first
    for number, line in enumerate(lines, first):
        start = start if text else number
        text += line.strip().removeprefix("$ ").removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            if text and not text.startswith("#"):
                yield Command(page, start, text.replace(".venv/bin/sixfold", "sixfold"), reason)
            text = ""
