"""``python -m benchmarks [NAME …]``: measure and print the README's table of figures."""

from __future__ import annotations

import importlib
import sys
import time

MODULES = (
    *("starting", "cell", "loading", "filtered", "auto", "interrupt", "answers"),
    *(
        "helpdesk",
        "embedding",
        "embedding_table",
        "duplicates",
        "watching",
        "plans",
        "building",
        "canceling",
        "recalling",
        "quantised",
    ),
)


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all, and print one table."""
    rows = []
    for name in names or MODULES:
        started = time.perf_counter()
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").figures()
        print(f"measured {name} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print("| what | measured | to reach |\n|---|---|---|")
    for what, measured, reach in rows:
        print(f"| {what} | {measured} | {reach} |")


if __name__ == "__main__":
    main(sys.argv[1:])
