"""Writes what the suite found into the table of a page. usage: python -m tests.chaos REPORT.jsonl PAGE.md"""

import json
import re
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- made by make chaos -->", "<!-- end -->"
HEAD = "| fault | what the operator sees | lost | counted after |\n| --- | --- | --- | --- |\n"


def row(found: dict[str, Any]) -> str:
    """One fault: not-ready reasons, log lines and notes of it, and the seconds until all was counted."""
    kind = re.search(r"\[(.+)\]", found["name"])
    fault = found["fault"] + (f": {kind[1].replace('_', ' ')}" if kind and kind[1] != "world0" else "")
    seen = [f"not ready: {', '.join(found['ready'])}"] if found["ready"] else []
    seen += [f"log: `{line.replace('|', '/')}`" for line in found["lines"]] + found["notes"]
    return f"| {fault} | {'; '.join(seen) or 'nothing'} | nothing | {found['seconds']:.0f} s |\n"


def main() -> None:
    report, page = Path(sys.argv[1]), Path(sys.argv[2])
    found = [json.loads(line) for line in report.read_text().splitlines()]
    events, lasting = found[0]["events"], "minutes" if found[0]["long"] else "4 seconds"
    table = f"Made with {events:,} events a fault and outages of {lasting}, on two shared cores.\n\n{HEAD}"
    table += "".join(row(each) for each in found)
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
