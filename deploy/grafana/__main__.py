"""Write the dashboards: `python -m deploy.grafana [FOLDER]`."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.grafana.boards import BOARDS

FOLDER = Path(__file__).parent / "dashboards"


def files() -> Iterator[tuple[str, str]]:
    """Give each dashboard's file name and text."""
    for board in BOARDS:
        yield f"{board.uid}.json", json.dumps(board.json(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write all of them, and remove those of ours that are no more."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana", description="Write the dashboards as JSON.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    written = dict(files())
    for path in folder.glob("sixfold-*.json"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
