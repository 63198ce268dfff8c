from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pgvec_magic

PACKAGE = Path(pgvec_magic.__file__).parent
CLONE = PACKAGE.parent
MODULES = sorted(
    ".".join(path.relative_to(CLONE).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)
# What a person who only types %load_ext has no use for yet, and would wait for.
HEAVY = {
    "anywidget", "ipywidgets", "numpy", "openai", "pandas", "pgvector", "platformdirs", "plotly", "psutil", "psycopg2",
    "pyarrow", "wordllama",
}  # fmt: skip

ANEW = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "pgvec_magic"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
LOADED_BY = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
import pgvec_magic
{then}
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(then: str = "") -> set[str]:
    return set(json.loads(run(LOADED_BY.format(then=then)).splitlines()[-1]))


def test_every_module_can_be_the_first_to_be_imported() -> None:
    assert "pgvec_magic.errors" in MODULES
    run(ANEW, *MODULES)


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by() & HEAVY == set()


def test_loading_the_extension_loads_nothing_heavy() -> None:
    loaded = loaded_by(
        "shell.run_line_magic('load_ext', 'pgvec_magic')\nassert 'vsearch' in shell.magics_manager.magics['cell']"
    )
    assert "pgvec_magic" in loaded
    assert loaded & HEAVY == set()


def test_all_names_what_the_package_offers_and_nothing_else() -> None:
    script = """
import pgvec_magic
offered = {name: getattr(pgvec_magic, name) for name in dir(pgvec_magic) if not name.startswith("_")}
ours = {name for name, value in offered.items() if getattr(value, "__module__", "").startswith("pgvec_magic")}
print(*ours - {"load_ipython_extension", "unload_ipython_extension"})
"""
    assert set(pgvec_magic.__all__) == {"errors", *run(script).split()}


def test_a_verb_is_not_hidden_by_the_module_of_its_name() -> None:
    verbs = [
        f"pgvec_magic.{name}" for name in pgvec_magic.__all__ if f"pgvec_magic.{name}" in MODULES and name != "errors"
    ]
    assert "pgvec_magic.search" in verbs
    script = "import importlib, sys, pgvec_magic\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    run(script + "for name in sys.argv[1:]: assert callable(getattr(pgvec_magic, name.split('.')[1])), name", *verbs)


def test_contributing_draws_the_layers_that_are_checked() -> None:
    project = tomllib.loads((CLONE / "pyproject.toml").read_text("utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    drawn = (CLONE / "CONTRIBUTING.md").read_text("utf-8").split("```")[1].strip().splitlines()
    assert [line.split("  ")[0].strip() for line in drawn] == contract["layers"]
