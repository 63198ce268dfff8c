"""Makes the notebooks out of source/: ``build.py`` writes them, ``build.py --check`` names those that have drifted."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jupytext

from pgvec_magic import lessons

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def generate(source: str) -> str:
    """Return the text of the notebook that a percent script stands for: the same bytes for the same script."""
    cells = [_cell(position, cell) for position, cell in enumerate(jupytext.reads(source, "py:percent").cells, 1)]
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(lessons.signed(notebook), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def stale(folder: Path, write: bool) -> list[Path]:
    """Return the notebooks that are not what their source gives, or have none; ``write`` mends them."""
    wanted = {folder / f"{path.stem}.ipynb": generate(path.read_text("utf-8")) for path in folder.glob("source/*.py")}
    found = {path: path.read_text("utf-8") for path in folder.glob("*.ipynb")}
    drifted = sorted(path for path in wanted | found if wanted.get(path) != found.get(path))
    for path in drifted if write else ():
        if path in wanted:
            path.write_text(wanted[path], "utf-8", newline="\n")
        else:
            path.unlink()
    return drifted


def _cell(position: int, cell: Any) -> dict[str, Any]:
    made = {"cell_type": cell.cell_type, "id": f"cell-{position:02d}", "metadata": {}}
    if cell.cell_type == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": _uncommented(cell.source).splitlines(keepends=True)}


def _uncommented(source: str) -> str:
    """Return a cell magic with its body, which a script can only hold as comments; jupytext frees the first line."""
    return re.sub(r"^# ?", "", source, flags=re.MULTILINE) if source.startswith("%%") else source


def main(given: Sequence[str] | None = None) -> int:
    """Write or check the notebooks; return 1 when the check finds drift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args(given)
    drifted = stale(arguments.folder, write=not arguments.check)
    for path in drifted:
        print(f"{path.name}: {'not what source/ gives; run make lessons' if arguments.check else 'written'}")
    return int(bool(drifted) and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
