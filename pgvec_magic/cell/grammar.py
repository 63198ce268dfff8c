"""The one table of the magics: what each takes, from which the reading, the help and the completion are made."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..metric import METRICS
from ..query import MODES, STRATEGIES
from . import readers
from .options import (
    CONNECTION,
    OUTPUT,
    TABLE,
    WHERE,
    Magic,
    Option,
    choice,
    column,
    columns,
    flag,
    language,
    number,
    whole,
)
from .workshop import VHEALTH, VINDEX, VRECALL

_TEXT = Option("-q", "text", "TEXT", 'the query text: a "quoted" text or :variable')
_VECTOR = Option("--vector", "vector", ":v", "the query vector, in a variable", readers.anything, variable=True)
_SETTING = Option("--set", "settings", "K=V", "a setting for this cell alone", readers.settings, repeats=True)
_EMBEDDER = Option("--embedder", "embedder", "MODEL", "the model, or :function", readers.anything, completes="embedder")
_TYPE = choice("--type", "type", ("vector", "halfvec", "bit", "sparsevec"), "how the vectors are stored (vector)")

PANELS = ("plan", "index")
_EXPLAIN = flag("--explain", "explain", "return what Postgres does for it: its plan")
_PROVE = flag("--prove", "prove", "as --explain, with each fix tried, measured and undone")
VCONNECT = Magic(
    "vconnect",
    "Connect to Postgres, or go back to a connection. Without a word: $PGVEC_DSN, $DATABASE_URL or PG*, else the "
    "Postgres that comes with this package.",
    (Option("DSN", "source", "DSN|NAME|:engine", "what to connect to", readers.anything, completes="connection"),),
    0,
    (
        Option("--name", "name", "N", "call the connection so, for -c N"),
        flag("--readonly", "readonly", "refuse whatever writes"),
        Option("--role", "role", "R", "run every statement as this role"),
        Option("--session", "session", "K=V", "a setting for every statement", readers.settings, repeats=True),
        flag("--create-extension", "create_extension", "CREATE EXTENSION vector where it is missing"),
        number("--timeout", "timeout", "give a statement this many seconds", "S"),
        flag("--list", "list", "list the connections"),
        Option("--close", "close", "N", "close the connection of this name", completes="connection"),
    ),
    (
        "%vconnect",
        "%vconnect postgresql://ada@localhost/shop --name shop",
        '%vconnect "host=db.example.org dbname=shop user=ada" --readonly',
        "%vconnect :engine --name warehouse",
        "%vconnect --name tenant --role app --session app.tenant_id=42",
        "%vconnect --list",
        "%vconnect --close shop",
    ),
)
VTABLES = Magic(
    "vtables",
    "List the tables that hold vectors, or show one of them.",
    (TABLE,),
    0,
    (OUTPUT, CONNECTION),
    ("%vtables", "%vtables docs", "%vtables sales.articles -c shop", "%vtables docs -o info"),
)
VLOAD = Magic(
    "vload",
    "Load rows into a table and embed their text. SOURCE is sample:NAME, :name (a DataFrame, a list of dicts, an "
    "iterable of DataFrames) or the path of a csv, jsonl or parquet file.",
    (TABLE, Option("SOURCE", "source", "SOURCE", "where the rows come from", readers.anything, completes="source")),
    2,
    (
        columns("--text", "text", "the columns whose text is embedded"),
        column("--id", "id", "the column that tells rows apart"),
        column("--column", "column", "the column for the vectors"),
        _EMBEDDER,
        _TYPE,
        language("the language of the words, such as german (english)"),
        whole("--chunk", "chunk", "split longer texts into rows of this many tokens"),
        whole("--overlap", "overlap", "let neighbouring chunks share this many tokens (0)"),
        choice("--on-conflict", "on_conflict", ("update", "skip", "error"), "what to do with an id that is there"),
        flag("--replace", "replace", "make the table anew, and drop the old one at the end"),
        whole("--limit", "limit", "load this many rows"),
        OUTPUT,
        CONNECTION,
    ),
    (
        "%vload docs sample:pydocs",
        "%vload articles :frame --text title,body --id slug",
        '%vload articles "my articles.csv" --text body --limit 1000',
        "%vload items :frame --column embedding --on-conflict skip",
        "%vload manuals :pages --chunk 256 --overlap 32 --language german",
    ),
)
VEMBED = Magic(
    "vembed",
    "Give a table that has text its vectors, in place: for rows that have none and for rows whose text has changed. "
    "Others may write meanwhile, and what was stopped goes on with the same line.",
    (TABLE,),
    1,
    (
        columns("--text", "text", "the columns whose text is embedded"),
        column("--column", "column", "the column for the vectors, added where it is missing"),
        _EMBEDDER,
        _TYPE,
        WHERE,
        language("also index the words of the text, in this language"),
        OUTPUT,
        CONNECTION,
    ),
    (
        "%vembed articles --text title,body",
        '%vembed articles --text body --language german --where "published"',
        "%vembed articles --text body --column small --embedder openai:text-embedding-3-small:256 --type halfvec",
    ),
)
VSEARCH = Magic(
    "vsearch",
    "Search a table by meaning, by words, or by both.",
    (TABLE,),
    1,
    (
        _TEXT,
        whole("-k", "k", "how many rows (10)"),
        choice("--mode", "mode", MODES, "search by meaning (vector), by words, or both"),
        WHERE,
        _VECTOR,
        Option("--similar-to", "similar_to", "ID,ID", "rows like these", readers.keys, commas=True),
        column("--column", "column", "the vector column"),
        choice("--metric", "metric", tuple(METRICS), "the distance; else that of the column's index"),
        number("--min-score", "min_score", "only rows of this similarity or more"),
        number("--max-distance", "max_distance", "only rows of this distance or less"),
        choice("--strategy", "strategy", STRATEGIES, "how the index is used (auto)"),
        flag("--exact", "exact", "compare with every row: --strategy exact"),
        flag("--as-is", "as_is", "change no setting, to see what Postgres itself does"),
        whole("--ef-search", "ef_search", "hnsw.ef_search, 1 to 1000"),
        whole("--probes", "probes", "ivfflat.probes, 1 to 32768"),
        _SETTING,
        whole("--candidates", "candidates", "how many rows are looked at before the best are kept"),
        Option(
            "--weights",
            "weights",
            "V,K",
            "weights of meaning and words in hybrid (1,1)",
            readers.weights,
            commas=True,
        ),
        whole("--rrf-k", "rrf_k", "the constant of reciprocal rank fusion (60)"),
        column("--per", "per", "the best row for each value of this column"),
        whole("--offset", "offset", "skip this many rows"),
        columns("--columns", "columns", "show these columns"),
        language("the language of the words, such as english"),
        Option(
            "--rerank", "rerank", "MODEL", "order the best again by a cross-encoder, or :function", readers.anything
        ),
        flag("--diverse", "diverse", "prefer rows that differ from those above them"),
        _EXPLAIN,
        _PROVE,
        flag("--compare", "compare", "measure every way to do this search, side by side"),
        flag("--plot", "plot", "return a picture"),
        flag("--dry-run", "dry_run", "return the SQL and do not run it"),
        OUTPUT,
        CONNECTION,
    ),
    (
        "%%vsearch docs --mode hybrid\nhow do I read a csv file?",
        "%vsearch docs -k 5 read a csv file",
        "%vsearch docs --where \"module = 'csv' AND n_chars > :least\" read a file",
        "%vsearch docs --similar-to 42 --columns name,module",
        "%vsearch docs --vector :v --exact -o hits",
        "%vsearch docs --mode keyword --per module -q :question",
        "%vsearch docs --where \"module = 'csv'\" --compare read a file",
    ),
    body="the text to search for",
    text=True,
)
VSQL = Magic(
    "vsql",
    "Run SQL. In it :name is a notebook variable and :query the query vector of -q or --vector; both are bound.",
    (TABLE,),
    0,
    (_TEXT, _VECTOR, _SETTING, _EXPLAIN, _PROVE, OUTPUT, CONNECTION),
    (
        "%%vsql\nSELECT count(*) FROM docs WHERE module = :module",
        '%%vsql docs -q "read a csv file" -o hits\nSELECT name, embedding <=> :query FROM docs ORDER BY 2 LIMIT 5',
        "%%vsql --vector :v --set hnsw.ef_search=200\nSELECT id FROM docs ORDER BY embedding <=> :query LIMIT 10",
        "%%vsql\nCREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops);\nVACUUM ANALYZE docs",
    ),
    body="SQL, one statement or several",
)
VPLAN = Magic(
    "vplan",
    "Show a plan that somebody made elsewhere: what EXPLAIN printed, as text or as JSON.",
    (),
    0,
    (OUTPUT,),
    (
        "%%vplan\nLimit  (cost=0.00..0.36 rows=10 width=4) (actual time=0.02..0.03 rows=10 loops=1)\n"
        "  ->  Seq Scan on docs  (cost=0.00..95.00 rows=2600 width=4) (actual time=0.02..0.02 rows=10 loops=1)",
        '%%vplan -o slow\n[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "docs", "Plan Rows": 2600}}]',
        "%%vplan\nSeq Scan on docs",
    ),
    body="the output of EXPLAIN",
)

VPANEL = Magic(
    "vpanel",
    "Open a panel. plan: a plan to click on, what is wrong with it, and a button that tries a fix. It shows the last "
    "plan, the one of a variable, or that of searches in a table. index: the indexes of a table, advice with its "
    "price, a build that is watched and can be canceled while cells run, and the recall after it.",
    (
        Option("PANEL", "panel", "PANEL", "which panel", choices=PANELS),
        Option("TABLE", "about", "TABLE|:plan", "what it shows", readers.anything, completes="table"),
    ),
    1,
    (OUTPUT, CONNECTION),
    ("%vpanel plan", "%vpanel plan docs", "%vpanel plan :slow", "%vpanel index docs"),
)

MAGICS: Mapping[str, Magic] = MappingProxyType(
    {m.name: m for m in (VCONNECT, VTABLES, VLOAD, VEMBED, VSEARCH, VSQL, VPLAN, VINDEX, VRECALL, VHEALTH, VPANEL)}
)
