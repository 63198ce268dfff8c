"""Makes plans/captured anew: ``capture.py`` on embedded servers of PostgreSQL 16 and 18, ``capture.py DSN…`` on others.

A server with pgvector gives all of the corpus, others the plans of ``ordinary.toml``, as JSON and as text. What was
measured differs each time: a case keeps the file's plan where the new one has the same steps and says the same.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from captured import FOLDER, Captured
from conftest import EMPTY, _bin_dir, _connected, _database, _execute
from corpus import FORCED, PLANS, TABLE, Case, cases, execute, explained
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic import plan, server
from pgvec_magic.db import connect

VERSIONS = ("16", "18")
_WIDTH = 118
_ZEROS = re.compile(r"(Local|Temp) .*|.*(Dirtied|Written) Blocks|.*I/O .*Time")
# The forms in which psql prints a plan.
FORMS = {
    "aligned": "",
    "border": "\\pset border 2",
    "unicode": "\\pset linestyle unicode \\pset border 2",
    "unaligned": "\\a",
    "tuples": "\\t",
    "csv": "\\pset format csv",
    "expanded": "\\x",
    "expanded_unicode": "\\x \\pset linestyle unicode",
    "expanded_border": "\\x \\pset linestyle unicode \\pset border 2",
    "narrow": "\\pset border 0",
}


def main(given: list[str]) -> None:
    """Capture from the servers whose addresses are given, or from those that come with the package's wheels."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is ended stops its servers
    with contextlib.ExitStack() as stack:
        for dsn in given or [stack.enter_context(_embedded(version)) for version in VERSIONS]:
            (version,) = _execute(dsn, "SELECT current_setting('server_version_num')::int / 10000")[0]
            folder = FOLDER / str(version)
            if has_vector := _has_vector(dsn):
                for kind in ("sick", "healthy"):
                    with _database(dsn) as made:
                        _corpus(made, folder / kind, kind, version)
            if given:
                _ordinary(dsn, folder / "ordinary.json", has_vector)
            elif str(version) == VERSIONS[-1]:
                _forms(dsn, FOLDER / "psql")


@contextlib.contextmanager
def _embedded(version: str) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="pgvec-capture-"))
    folder.chmod(0o755)
    running = server.start(data_dir=folder / "postgres", bin_dir=_bin_dir(version))
    try:
        yield running.dsn
    finally:
        running.stop()
        shutil.rmtree(folder)


def _has_vector(dsn: str) -> bool:
    return bool(_execute(dsn, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"))


def _corpus(dsn: str, folder: Path, kind: str, version: int) -> None:
    found: dict[str, dict[str, Any]] = {file.stem: {} for file in (PLANS / kind).glob("*.toml")}
    for key, case in cases(kind).items():
        if case.servers and version not in case.servers:
            continue
        group, _, name = key.partition(": ")
        _execute(dsn, EMPTY)
        with _connected(dsn) as raw:
            new, old = _of_case(dsn, raw, case), _earlier(folder / f"{group}.json", name)
        found[group][name] = (old if old and _sign(old) == _sign(new) else new).as_json()
        if case.rule and [finding.rule for finding in new.findings][:1] != [case.rule]:
            print(f"{version} {key}: {case.rule} is not what is found first: {new.findings}")
    for group, entries in found.items():
        if entries:
            _write(folder / f"{group}.json", entries)


def _of_case(dsn: str, raw: connection, case: Case) -> Captured:
    execute(raw, TABLE)
    execute(raw, case.before)
    db = connect(dsn, name="capture")
    try:
        if case.prepared:
            pv.sql(db, case.prepared)
        before = explained(db, case.sql, case.settings)
        found, query = _value(before), before.query
        if not case.rule or query is None:
            return found
        (told,) = db.rehearse([replace(query, sql=_explain(raw, "TEXT") + query.sql)])
        execute(raw, case.cure)
        cured = _value(explained(db, case.mended or case.sql, case.settings | case.cured_settings))
        return replace(found, text=plan.elide("\n".join(line for (line,) in told.rows)), cured=cured)
    finally:
        db.close()


def _value(found: pv.Explanation) -> Captured:
    assert found.query is not None
    assert found.fingerprint is not None
    return Captured(found.query.sql, _short(found.plan.document), found.fingerprint, found.notes)


def _short(value: Any) -> Any:
    """Return what EXPLAIN said without zeros that nobody misses and without the numbers of long vectors."""
    if isinstance(value, Mapping):
        return {k: _short(v) for k, v in value.items() if v != 0 or v is False or not _ZEROS.fullmatch(k)}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return plan.elide(value) if isinstance(value, str) else value


def _earlier(file: Path, name: str) -> Captured | None:
    """Return what the file has; what is kept beside a plan may have become more since it was made."""
    entries = json.loads(file.read_text("utf-8")) if file.exists() else {}
    try:
        return Captured.from_json(entries[name])
    except (KeyError, TypeError):
        return None


def _sign(value: Captured) -> tuple[Any, ...]:
    """Return what must be the same for two captures to be as good as one another."""
    rules = [(finding.rule, finding.severity, finding.fix) for finding in value.findings]
    steps = [(node.label, node.details.get("Filter"), node.details.get("Sort Key")) for node in value.plan.nodes]
    indexes = [(index.definition, index.valid) for index in value.fingerprint.indexes]
    cured = _sign(value.cured) if value.cured else ()
    return value.sql, value.fingerprint.server, rules, steps, indexes, bool(value.text), cured


def _ordinary(dsn: str, file: Path, has_vector: bool) -> None:
    """Write the plans of what is hard to add up, each as JSON and, of another run, as text, where they are others."""
    wanted = tomllib.loads((PLANS / "ordinary.toml").read_text("utf-8"))
    found = {}
    with _connected(dsn) as raw:
        execute(raw, _tables(has_vector))
        for kind, statements in wanted.items():
            execute(raw, FORCED if kind == "parallel" else "")
            for name, sql in statements.items():
                if has_vector or not re.search("<[=-]>", sql):
                    found[f"{kind}: {name}"] = _both(raw, sql)
        execute(raw, "SET jit_above_cost = 0; SET max_parallel_workers_per_gather = 0")
        found["jit"] = _both(raw, wanted["serial"]["hash"])
        execute(raw, "DROP SCHEMA ordinary CASCADE")
    earlier = json.loads(file.read_text("utf-8")) if file.exists() else {}
    same = {name for name, entry in found.items() if name in earlier and _steps(entry) == _steps(earlier[name])}
    _write(file, {name: earlier[name] if name in same else entry for name, entry in found.items()})


def _both(raw: connection, sql: str) -> dict[str, Any]:
    return {"sql": sql, "plan": _told(raw, sql, "JSON"), "text": _told(raw, sql)}


def _steps(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    labels = [node.label for source in (entry["plan"], "\n".join(entry["text"])) for node in plan.read(source).nodes]
    return entry["sql"], labels


def _tables(has_vector: bool) -> str:
    """Return the statements that make the tables in a schema of their own."""
    text = (PLANS / "ordinary.sql").read_text("utf-8")
    if not has_vector:
        text = re.sub(r"CREATE INDEX [^;]* USING hnsw [^;]*;", "", text).replace("vector(3)", "float8[]")
    begin = "CREATE EXTENSION IF NOT EXISTS vector;" if has_vector else ""
    return f"{begin} CREATE SCHEMA ordinary; SET search_path = ordinary, public; {text}"


def _explain(raw: connection, form: str) -> str:
    serialize = "SERIALIZE, MEMORY, " if raw.info.server_version >= 170_000 else ""
    return f"EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, {serialize}FORMAT {form}) "


def _told(raw: connection, sql: str, form: str = "TEXT") -> Any:
    """Return what EXPLAIN says in a form, of a statement whose writes are undone."""
    with raw.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(_explain(raw, form) + sql)
        rows = [row[0] for row in cursor.fetchall()]
        cursor.execute("ROLLBACK")
    return _short(rows[0][0]) if form == "JSON" else rows


def _forms(dsn: str, folder: Path) -> None:
    """Write one plan as psql prints it in each of its forms, text and JSON, where the file is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    sql = tomllib.loads((PLANS / "ordinary.toml").read_text("utf-8"))["serial"]["init plan"]
    with _database(dsn) as made, _connected(made) as raw:
        execute(raw, _tables(has_vector=True))
        for name, command in FORMS.items():
            for form in ("text", "json"):
                explain = f"EXPLAIN (ANALYZE, VERBOSE, FORMAT {form}) {sql};"
                script = f"SET search_path = ordinary, public;\n{command}\n{explain}\n"
                psql = ["psql", "-qX", "-vON_ERROR_STOP=1", made]
                file = folder / f"{name}.{form}"
                if not file.exists():
                    told = subprocess.run(psql, input=script, text=True, stdout=subprocess.PIPE, check=True)
                    file.write_text(told.stdout, "utf-8")


def _write(file: Path, entries: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_laid_out(dict(entries)) + "\n", "utf-8")


def _laid_out(value: Any, indent: int = 0) -> str:
    """Return JSON in which what is short shares a line, and what does not fit into one is indented."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) <= _WIDTH - indent:
        return flat
    names = (
        [f"{json.dumps(key, ensure_ascii=False)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    )
    each = value.values() if isinstance(value, dict) else value
    parts = [name + _laid_out(part, indent + 1) for name, part in zip(names, each, strict=True)]
    lines = [""]
    for part in parts:
        fits = isinstance(value, dict) and "\n" not in lines[-1] + part and len(lines[-1]) + len(part) + indent < _WIDTH
        lines[-1:] = (
            [lines[-1] + " " * bool(lines[-1]) + part + ","] if fits or not lines[-1] else [lines[-1], part + ","]
        )
    lines[-1] = lines[-1].removesuffix(",")
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"\n{' ' * (indent + 1)}".join([begin, *lines]) + f"\n{' ' * indent}{end}"


if __name__ == "__main__":
    main(sys.argv[1:])
