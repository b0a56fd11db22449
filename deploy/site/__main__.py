"""Write the pages that are made from code: `python -m deploy.site docs`."""

import sys
from pathlib import Path

from deploy.site.pages import PAGES

folder = Path(sys.argv[1])
for name, render in PAGES.items():
    (folder / name).write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{folder / name}\n")
