"""What could be done for the vectors of a column, with what it costs, the best first; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from .. import metric as metrics
from ..cell import quoted
from ..errors import UsageError
from ..index import IndexSpec, build_memory, index_bytes, usual_lists
from ..render import bytes_text
from ..sqltext import quote_ident, quote_literal
from .advice import Suggestion
from .facts import Facts

# An exact search that takes so long needs no index: a page takes as long to come.
FAST_SECONDS = 0.010
NOT_MEASURED = "not measured"
_SINCE_FORMS = (0, 7)  # pgvector with halfvec and bit
_LEAST_BITS = 256  # dimensions below which their signs alone say little
_LEAST_IN_LISTS = 1_000
# Models that are trained so that the first dimensions stand alone, and how many are kept.
_MATRYOSHKA = ("text-embedding-3", "nomic-embed-text-v1.5", "mxbai-embed-large", "embeddinggemma", "jina-embeddings-v3")
_KEPT = 512
# Values of a column that may each have an index of their own, and the rows from which one is worth it.
_MOST_PARTS, _LEAST_PART = 50, 1_000
_PLAIN_TYPES = ("smallint", "integer", "bigint", "boolean")


def suggestions(facts: Facts, exact: float | None, k: int) -> list[Suggestion]:
    """Return what could be done, the best first and marked; ``exact`` is in seconds, None for very long."""
    found = [_none(facts, exact, k), *_indexes(facts)]
    best = _best(found, facts, exact)
    rest = [each for each in found if each is not best]
    return [dataclasses.replace(best, recommended=True), *sorted(rest, key=lambda each: each.spec is None)]


def kinds(facts: Facts) -> list[tuple[str, IndexSpec]]:
    """Return the kinds of index that the whole column can have, by name: those that compete with one another."""
    found = [(each.title, each.spec) for each in _indexes(facts)]
    return [(title, spec) for title, spec in found if spec and not spec.where and spec.form != "subvector"]


def _best(found: list[Suggestion], facts: Facts, exact: float | None) -> Suggestion:
    """The index that keeps most of the vectors and stays in memory; where there is one that does, that one."""
    none, *indexes = found
    if not indexes or (exact is not None and exact <= FAST_SECONDS):
        return none
    graphs = [each for each in indexes if each.spec and each.spec.method == "hnsw" and not each.spec.where] or indexes
    room = facts.server.cache // 2
    fits = [each for each in graphs if (each.bytes or 0) <= room and not _is_cut(each)]
    there = [each for each in fits if each.exists]
    return (there or fits or sorted(graphs, key=lambda each: each.bytes or 0))[0]


def _is_cut(each: Suggestion) -> bool:
    return each.spec is not None and each.spec.form == "subvector"


def _none(facts: Facts, exact: float | None, k: int) -> Suggestion:
    rows = f"{facts.rows:,} rows"
    if exact is None:
        why = f"an exact search for {k} of {rows} takes more than 5 s here"
    else:
        why = f"an exact search for {k} of {rows} takes {1000 * exact:.1f} ms here (measured), and finds all"
        why += "; it takes longer as rows come" if exact > FAST_SECONDS / 2 else ""
    return Suggestion(title="no index", why=why, bytes=0, recall="1, exact")


def _indexes(facts: Facts) -> Iterator[Suggestion]:
    """Those that pgvector can make of the column."""
    kind = facts.column.type
    if kind in ("bit", "sparsevec") and not _is_indexed(kind, facts):
        return
    base = _spec(facts)
    if _is_indexed(kind, facts):
        yield _sized("HNSW", _fits(facts, base) + "; takes new rows as they come", base, facts)
    if facts.version >= _SINCE_FORMS and kind in ("vector", "halfvec"):
        yield from _smaller(facts, base)
    yield from _lists(facts, base)
    yield from _parts(facts, base)


def _is_indexed(kind: str, facts: Facts) -> bool:
    size = facts.non_zero or 0 if kind == "sparsevec" else facts.dimensions
    return size <= metrics.MOST_INDEXED[kind]


def _smaller(facts: Facts, base: IndexSpec) -> Iterator[Suggestion]:
    """Forms of a vector that take less room."""
    size, column = facts.dimensions, quote_ident(base.column)
    if facts.column.type == "vector" and size <= metrics.MOST_INDEXED["halfvec"]:
        why = f"2 bytes a number in place of 4; searches say {column}::halfvec({size}), as %vsearch does"
        yield _sized(
            "HNSW on halfvec", f"{_fits(facts, half := _form(base, 'halfvec', facts.metric))}; {why}", half, facts
        )
    if size >= _LEAST_BITS and facts.metric in ("cosine", "ip"):
        bits = _form(base, "binary", "hamming")
        why = "the sign of each number; its candidates are put in order by the whole vectors, as %vsearch does"
        yield _sized("binary-quantised + re-rank", f"{_fits(facts, bits)}; {why}", bits, facts)
    if size > _KEPT:
        model = facts.column.embedder
        known = model and any(name in model for name in _MATRYOSHKA)
        trained = f"{model} is trained so that they stand alone" if known else "only for a model trained for it"
        if known or size > metrics.MOST_INDEXED[facts.column.type]:
            first = _form(base, "subvector", facts.metric, kept=_KEPT)
            why = f"the first {_KEPT} dimensions of {size:,} ({trained}), re-ranked by the whole vectors"
            yield _sized("HNSW on a subvector", f"{_fits(facts, first)}; {why}", first, facts)


def _lists(facts: Facts, base: IndexSpec) -> Iterator[Suggestion]:
    """IVFFlat, of what it takes."""
    if facts.rows < _LEAST_IN_LISTS:
        return
    form = "vector" if _is_indexed(facts.column.type, facts) else "halfvec"
    lists = usual_lists(facts.rows)
    try:
        spec = dataclasses.replace(base, metric=facts.metric, method="ivfflat", form=form, lists=lists)
    except UsageError:  # a distance or a type that it has no operator class for
        return
    why = f"built fastest; its {spec.lists:,} lists are those of today's rows: for data that seldom changes"
    if lists == 1:
        why = f"one list for {facts.rows:,} rows, all of which each search reads: for more rows than these"
    yield _sized("IVFFlat" if form == "vector" else "IVFFlat on halfvec", f"{_fits(facts, spec)}; {why}", spec, facts)


def _parts(facts: Facts, base: IndexSpec) -> Iterator[Suggestion]:
    """One for the largest value of a column of few values that searches are filtered by."""
    for used in facts.workload.filters:
        spread = facts.spread.get(used.column)
        if used.how != "equal" or spread is None or not 2 <= spread.distinct <= _MOST_PARTS or not spread.usual:
            continue
        value, share = spread.usual[0]
        rows = round(share * facts.rows)
        if rows < _LEAST_PART or not _is_indexed(facts.column.type, facts):
            continue
        plain = facts.table.column(used.column).type in _PLAIN_TYPES
        where = f"{quote_ident(used.column)} = {value if plain else quote_literal(value)}"
        why = (
            f"{used.calls:,} searches seen filter by {used.column}, which has {spread.distinct:,} values: an index"
            f" each, and no search looks at another's rows; this one, of the most usual value, has about {rows:,}"
        )
        spec = dataclasses.replace(base, where=where)
        yield _sized(f"partial, one for each {used.column}", why, spec, facts, rows)
        return


def _spec(facts: Facts) -> IndexSpec:
    """The spec that the others are made of; one of a type that is not indexed at its size has a form that is."""
    kind = facts.column.type
    form = "vector" if _is_indexed(kind, facts) else "binary"
    return IndexSpec(
        table=facts.table.name,
        schema=facts.table.schema,
        column=facts.column.name,
        type=kind,
        dimensions=facts.dimensions,
        metric="hamming" if form == "binary" else facts.metric,
        form=form,
        extension=facts.table.extension_schema,
    )


def _form(base: IndexSpec, form: str, metric: str, kept: int | None = None) -> IndexSpec:
    return dataclasses.replace(base, form=form, metric=metric, kept=kept)


def _sized(title: str, why: str, spec: IndexSpec, facts: Facts, rows: int | None = None) -> Suggestion:
    count = facts.rows if rows is None else rows
    there = next((index for made, index in facts.made if _same(made, spec)), None)
    stored = there.baseline if there else None
    return Suggestion(
        title=title,
        why=why,
        spec=spec,
        sql=spec.sql(),
        bytes=index_bytes(spec, count, facts.non_zero),
        memory=build_memory(spec, count, non_zero=facts.non_zero, pages=facts.pages),
        recall=f"{stored.recall:.3f} with {stored.setting} = {stored.value}, measured {stored.on}"
        if stored
        else NOT_MEASURED,
        exists=there is not None,
        line=line(spec, facts),
    )


def _same(made: IndexSpec, spec: IndexSpec) -> bool:
    """Whether an index that is there serves the same searches; options such as m do not count."""
    there, wanted = ((i.column, i.method, i.form, i.kept, i.metric, _bare(i.where)) for i in (made, spec))
    return there == wanted


def _bare(where: str | None) -> str | None:
    return None if where is None else where.replace("(", "").replace(")", "").replace(" ", "")


def _fits(facts: Facts, spec: IndexSpec) -> str:
    """Where an index of this size will lie, and whether its build finds the memory."""
    needed, machine = build_memory(spec, facts.rows, non_zero=facts.non_zero, pages=facts.pages), facts.server.machine
    spills = machine is not None and needed > machine // 2 and spec.method == "hnsw"
    beyond = f"; its build wants more memory than half of this machine's {bytes_text(machine or 0)}, and spills"
    return _place(facts, spec) + beyond * spills


def _place(facts: Facts, spec: IndexSpec) -> str:
    size, server = index_bytes(spec, facts.rows, facts.non_zero), facts.server
    if size <= server.buffers:
        return f"fits into shared_buffers ({bytes_text(server.buffers)})"
    if size <= server.cache:
        return (
            f"more than shared_buffers ({bytes_text(server.buffers)}), less than the cache ({bytes_text(server.cache)})"
        )
    return f"more than the server's cache ({bytes_text(server.cache)}): searches will read from disk"


def line(spec: IndexSpec, facts: Facts) -> str:
    """Return the line of ``%vindex`` that builds it; nothing where a name or value has what no line takes."""
    words = [f"%vindex build {quoted(facts.table.label)}"]
    if len(facts.table.vectors) + len(facts.table.bits) > 1:
        words.append(f"--column {quoted(spec.column)}")
    words += [f"--as {spec.form}"] if spec.form != "vector" else []
    words += [f"--keep {spec.kept}"] if spec.kept else []
    words += [f"--method ivfflat --lists {spec.lists}"] if spec.method == "ivfflat" else []
    told = {made.metric for made, _ in facts.made if made.column == spec.column} or {metrics.usual(spec.type)}
    words += [f"--metric {spec.metric}"] if spec.form != "binary" and told != {spec.metric} else []
    words += [f"--where {quoted(spec.where)}"] if spec.where else []
    is_written = not {'"', "\n"} & set(facts.table.label + spec.column + (spec.where or ""))
    return " ".join(words) if is_written else ""
