"""The magics for the indexes of a table: part of the one table of ``grammar``."""

from __future__ import annotations

from ..index import FORMS, METHODS
from ..metric import METRICS
from . import readers
from .options import CONNECTION, OUTPUT, TABLE, WHERE, Magic, Option, choice, column, flag, number, whole

VRECALL = Magic(
    "vrecall",
    "Measure what share of the true nearest rows the index of a table finds, and how fast, for each value of its "
    "setting. The truth is an exact search; rows of the table are asked about, each without itself.",
    (TABLE,),
    1,
    (
        whole("-k", "k", "how many nearest rows are to be found (10)"),
        Option(
            "--queries",
            "queries",
            "N|:frame|history",
            "how many rows are asked about (200); vectors or texts; the searches made here",
            readers.queries,
        ),
        Option("--ef-search", "ef_search", "N,N", "values of hnsw.ef_search", readers.wholes, commas=True),
        Option("--probes", "probes", "N,N", "values of ivfflat.probes", readers.wholes, commas=True),
        Option("--index", "index", "I,J", "measure these indexes", readers.names, commas=True),
        WHERE,
        column("--column", "column", "the vector column"),
        choice("--metric", "metric", tuple(METRICS), "the distance; else that of the column's index"),
        number("--target", "target", "the recall to reach (0.95)", "R"),
        flag("--cold", "cold", "also measure searches that find nothing of the index in Postgres' memory"),
        choice(
            "--apply",
            "apply",
            ("index", "database", "role"),
            "store the lowest setting that reaches it, for searches here (index) or for every client",
        ),
        OUTPUT,
        CONNECTION,
    ),
    (
        "%vrecall docs",
        "%vrecall docs -k 20 --queries 100 --ef-search 20,40,80,160 -o curve",
        '%vrecall docs --where "tenant = :tenant" --target 0.9',
        "%vrecall docs --queries history --target 0.95 --apply index",
        "%vrecall docs --index docs_hnsw,docs_ivfflat --queries :questions",
    ),
)
VHEALTH = Magic(
    "vhealth",
    "Check up on a table and its server, or on all tables with vectors: what is well, what is not and why, and the SQL "
    "that mends it.",
    (TABLE,),
    0,
    (
        flag("--fix", "fix", "ask of each SQL whether to run it; without a keyboard it is only shown"),
        OUTPUT,
        CONNECTION,
    ),
    ("%vhealth", "%vhealth docs", "%vhealth docs --fix", "%vhealth sales.articles -c shop -o report"),
)
INDEX_WORDS = ("list", "advise", "build", "compare", "reindex", "drop")
VINDEX = Magic(
    "vindex",
    "Work on the vector indexes of a table: list them, ask which it wants (advise), build one, measure the kinds side "
    "by side on a copy (compare), rebuild one while it is used, or drop one. Without a word: list and advise. A build "
    "shows its progress, and an interrupt cancels it on the server.",
    (Option("WORD", "word", "WORD", "what to do", choices=INDEX_WORDS, open=True), TABLE),
    1,
    (
        column("--column", "column", "the vector column"),
        choice("--metric", "metric", tuple(METRICS), "the distance; else that of the column's other index, or cosine"),
        choice("--method", "method", METHODS, "the kind of index (hnsw)"),
        choice("--as", "form", FORMS, "how the vectors stand in it (vector)"),
        whole("--keep", "kept", "of a subvector, the first N dimensions"),
        whole("--m", "m", "HNSW: links a row has in each layer (16)"),
        whole("--ef-construction", "ef_construction", "HNSW: candidates for these links (64)"),
        whole("--lists", "lists", "IVFFlat: how many lists (a thousandth of the rows)"),
        Option("--where", "where", "SQL", 'only rows for which this holds, in "…"', completes="column"),
        Option("--name", "name", "N", "the name of the index"),
        flag("--concurrently", "concurrently", "let others write meanwhile, which takes longer"),
        Option("--memory", "memory", "SIZE", "maintenance_work_mem, such as 2GB (what it takes)", readers.anything),
        whole("--workers", "workers", "processes that help (as many as there are processors)"),
        whole("--sample", "sample", "rows that are built to measure (compare 5,000; advise 1,000, 0 for none)"),
        flag("--background", "background", "return the build at once, to be waited for or canceled"),
        OUTPUT,
        CONNECTION,
    ),
    (
        "%vindex docs",
        "%vindex compare docs --sample 10000",
        "%vindex build docs",
        "%vindex build docs --method ivfflat --lists 100 --metric l2 --background -o build",
        '%vindex build docs --as halfvec --concurrently --where "tenant = 3" --name docs_tenant_3',
        "%vindex reindex docs --name docs_embedding_idx",
        "%vindex drop docs --name docs_embedding_idx",
    ),
)
