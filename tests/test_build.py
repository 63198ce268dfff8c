"""Builds of vector indexes: what is said before, while they run, when they are stopped, and what is left of them."""

from __future__ import annotations

import _thread
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extensions import connection
from test_db_link import pooled
from test_faults import eventually, home, stop_at_once

from pgvec_magic import db as dbs
from pgvec_magic.build import Build, build, drop, facts, indexes, reindex, settings, spec_for
from pgvec_magic.db import Database
from pgvec_magic.errors import PgvecError, QueryError, UsageError
from pgvec_magic.index import IndexSpec
from pgvec_magic.query import Query
from pgvec_magic.server import Machine

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["home", "pooled"]  # fixtures
MIB = 1024 * 1024
ROWS = 3000
TABLE = "CREATE TABLE docs (id int PRIMARY KEY, tenant int, embedding vector(16))"
FILL = """INSERT INTO docs SELECT g.i, g.i %% 3, (SELECT array_agg(random() - 0.5 + x * 0)
FROM generate_series(1, 16) AS x WHERE g.i > 0)::vector(16) FROM generate_series(1, {rows}) AS g(i)"""
INVALID = "SELECT count(*) FROM pg_index WHERE indrelid = 'docs'::regclass AND NOT indisvalid"
INDEXES = "SELECT count(*) FROM pg_index WHERE indrelid = 'docs'::regclass AND NOT indisprimary"
ACTIVE = """SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'pgvec_magic build%' AND state = 'active'"""


def fill(db: Database, rows: int = ROWS) -> None:
    for statement in (TABLE, FILL.format(rows=rows)):
        db.run(Query(statement))


@pytest.fixture
def docs(db: Database) -> Database:
    fill(db)
    return db


def spec(**options: Any) -> IndexSpec:
    return IndexSpec(table="docs", column="embedding", dimensions=16, **options)


# So long that each of its phases can be met.
SLOW = spec(m=50, ef_construction=1000, name="slow")
LISTS = spec(method="ivfflat", lists=1000, metric="l2", name="slow")


def ask(raw: connection, statement: str) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return (cursor.fetchone() or (None,))[0] if cursor.description else None


def seen(running: Build, phase: str) -> None:
    eventually(lambda: phase in running.progress.phase or not running.running, 60)
    assert running.running, running


@pytest.fixture
def other(dsn: str) -> Iterator[connection]:
    """Another session, which begins a transaction with its first statement."""
    made = psycopg2.connect(dsn)
    yield made
    made.close()


# --- a build


@pytest.mark.parametrize("concurrently", [False, True])
@pytest.mark.parametrize("made", [spec(), spec(method="ivfflat", lists=5), spec(form="halfvec", where="tenant = 1")])
def test_it_is_followed_to_its_end_and_its_report(docs: Database, made: IndexSpec, concurrently: bool) -> None:
    running = build(docs, made, concurrently=concurrently)
    assert [progress for progress in running if not progress.seconds >= 0] == []
    report = running.report
    assert report is not None
    assert not running.running
    assert report.index.startswith("docs_embedding_")
    assert report.rows == (1000 if made.where else ROWS)
    assert report.predicted_bytes == pytest.approx(report.bytes, rel=0.1)
    assert report.spilled_after is None
    assert report.memory >= report.predicted_memory
    assert report.analyzed
    assert ("CONCURRENTLY" in report.sql) == concurrently
    assert "allowed, not filled" in repr(running)
    (found,) = indexes(docs, "docs")
    assert (found.name, found.valid) == (report.index, True)


def test_an_index_of_sparse_vectors_is_sized_by_their_numbers(db: Database) -> None:
    db.run(Query("CREATE TABLE docs (id int PRIMARY KEY, embedding sparsevec(1000))"))
    numbers = "('{1:' || i || ',7:1,' || 8 + i %% 900 || ':2}/1000')::sparsevec"
    db.run(Query(f"INSERT INTO docs SELECT i, {numbers} FROM generate_series(1, 2000) AS i"))
    report = build(db, IndexSpec(table="docs", column="embedding", type="sparsevec", dimensions=1000)).wait()
    assert report.predicted_bytes == pytest.approx(report.bytes, rel=0.02)


def test_its_progress_has_rows_a_rate_and_the_time_that_is_left(docs: Database) -> None:
    seen_so_far = list(build(docs, SLOW))
    counted = [progress for progress in seen_so_far if progress.total]
    assert all(progress.total == ROWS and progress.unit == "rows" for progress in counted)
    assert [progress.done for progress in counted] == sorted(progress.done or 0 for progress in counted)
    told = next(progress for progress in counted if progress.left)
    assert told.rate
    assert f"of {ROWS:,} rows" in str(told)
    assert "s left" in str(told)


def test_a_spill_is_predicted_told_while_it_runs_and_reported(docs: Database) -> None:
    made = spec(m=8, ef_construction=200)
    running = build(docs, made, memory="1MB", workers=0)
    expected = running.job.settings.spills_after
    assert expected is not None
    assert f"holds about {expected:,} of 3,000 rows" in running.job.settings.notes[0]
    spilled = [progress.spilled for progress in running if progress.spilled is not None and progress.phase != "over"]
    assert spilled, "it was told before the build was over"
    report = running.wait()
    assert report.spilled_after == spilled[0] == pytest.approx(expected, rel=0.02)
    assert "full after" in repr(report)


def test_names_are_found_and_those_in_use_refused(docs: Database) -> None:
    names = [build(docs, spec(m=4, ef_construction=8)).wait().index for _ in range(2)]
    assert names == ["docs_embedding_idx", "docs_embedding_idx1"]
    with pytest.raises(UsageError, match="there is a docs_embedding_idx already: CREATE INDEX"):
        build(docs, spec(name="docs_embedding_idx"))


def test_it_is_rebuilt_while_it_is_used_and_dropped(docs: Database, raw: connection) -> None:
    forms = (spec(form="halfvec"), spec(form="subvector", kept=4), spec(form="binary", metric="hamming"))
    for made in (*(replace(form, m=4, ef_construction=8) for form in forms), spec(method="ivfflat", lists=7)):
        name = build(docs, replace(made, where="tenant > 0")).wait().index
        before = ask(raw, f"SELECT '{name}'::regclass::oid::int")
        again = reindex(docs, "docs", name)
        assert replace(again.job.spec, where=None) == made
        assert again.wait().bytes > 0
        assert ask(raw, f"SELECT '{name}'::regclass::oid::int") != before
        dropped = drop(docs, "docs", name)
        assert "CREATE INDEX" in dropped.definition
        assert dropped.definition in " ".join(repr(dropped).split())
    assert ask(raw, INDEXES) == 0


def test_a_partitioned_table_is_built_part_by_part(db: Database) -> None:
    db.run(Query("CREATE TABLE docs (tenant int, embedding vector(3)) PARTITION BY LIST (tenant)"))
    for tenant in (1, 2):
        db.run(Query(f"CREATE TABLE docs{tenant} PARTITION OF docs FOR VALUES IN ({tenant})"))
    db.run(Query("INSERT INTO docs SELECT i %% 2 + 1, ARRAY[i, 1, 2]::real[]::vector FROM generate_series(1, 600) i"))
    made = IndexSpec(table="docs", column="embedding", dimensions=3)
    report = build(db, made).wait()
    assert report.rows == 600
    assert report.bytes == pytest.approx(report.predicted_bytes, rel=0.1)
    with pytest.raises(UsageError, match="partitioned, of which Postgres builds no index CONCURRENTLY"):
        build(db, made, concurrently=True)


# --- stopped


@pytest.mark.parametrize(
    ("made", "concurrently", "phase"),
    [
        (SLOW, False, "building"),
        (SLOW, True, "building"),
        (LISTS, False, "k-means"),
        (LISTS, True, "k-means"),
        (LISTS, False, "assigning"),
        (LISTS, True, "assigning"),
    ],
)
def test_it_is_canceled_at_once_and_nothing_is_left(
    db: Database, raw: connection, made: IndexSpec, concurrently: bool, phase: str
) -> None:
    fill(db, ROWS if made is SLOW else 12_000)
    running = build(db, made, concurrently=concurrently)
    seen(running, phase)
    started = time.perf_counter()
    running._own.cancel()
    eventually(lambda: not ask(raw, ACTIVE))
    assert time.perf_counter() - started <= 1.0
    running.cancel()
    with pytest.raises(QueryError, match="the build of slow was stopped; nothing of it is left"):
        running.wait()
    assert ask(raw, INDEXES) == 0


def test_it_is_canceled_while_it_waits_for_old_snapshots(docs: Database, raw: connection, other: connection) -> None:
    ask(other, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1")
    running = build(docs, spec(), concurrently=True)
    seen(running, "waiting for old snapshots")
    eventually(lambda: running.progress.holders)
    assert f"held up by process {other.info.backend_pid} of role" in str(running.progress)
    running.cancel()
    assert "nothing of it is left" in repr(running)
    assert ask(raw, INDEXES) == 0


def test_the_end_of_the_interpreter_stops_it_and_nothing_is_left(docs: Database, dsn: str, raw: connection) -> None:
    script = (
        "import sys; from pgvec_magic import db, build, IndexSpec; here = db.connect(sys.argv[1]);"
        "spec = IndexSpec(table='docs', column='embedding', dimensions=16, m=50, ef_construction=1000, name='slow');"
        "begun = build(here, spec, concurrently=True)\n"
        "while 'building' not in begun.progress.phase: pass"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(dbs.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", script, dsn], env=environment, check=True, timeout=60)
    assert (ask(raw, ACTIVE), ask(raw, INDEXES)) == (0, 0)


def test_a_rebuild_is_canceled_and_the_index_stays(docs: Database, raw: connection) -> None:
    build(docs, SLOW).wait()
    running = reindex(docs, "docs")
    seen(running, "building")
    running.cancel()
    with pytest.raises(QueryError, match="the rebuild of slow was stopped; nothing of it is left"):
        running.wait()
    assert (ask(raw, INDEXES), ask(raw, INVALID)) == (1, 0)


@pytest.mark.parametrize("way", ["wait", "iterate", "block"])
def test_an_interrupt_cancels_it(docs: Database, raw: connection, way: str) -> None:
    def interrupted(running: Build) -> None:
        threading.Timer(0.7, _thread.interrupt_main).start()
        if way == "wait":
            running.wait()
        elif way == "iterate":
            for _ in running:
                pass
        else:
            with running:
                for _ in range(300):
                    time.sleep(0.1)

    running = build(docs, SLOW, concurrently=True)
    with pytest.raises(KeyboardInterrupt):
        interrupted(running)
    assert not running.running
    assert ask(raw, ACTIVE) == 0
    assert ask(raw, INDEXES) == 0


# --- locks


def test_a_lock_that_holds_a_build_up_is_named_and_may_be_waited_for(docs: Database, other: connection) -> None:
    ask(other, "UPDATE docs SET tenant = 9 WHERE id = 1")
    running = build(docs, spec(m=4, ef_construction=8))
    eventually(lambda: running.progress.holders)
    (holder,) = running.progress.holders
    assert (holder.pid, holder.state) == (other.info.backend_pid, "idle in transaction")
    assert "waiting for a lock · held up by process" in str(running.progress)
    other.commit()
    assert running.wait().rows == ROWS


@pytest.mark.parametrize(
    ("phase", "chance"),
    [("waiting for writers before build", "close"), ("waiting for writers before validation", "build")],
)
def test_an_invalid_index_that_a_lock_protects_is_named_and_dropped_later(
    docs: Database, raw: connection, other: connection, phase: str, chance: str
) -> None:
    running = None
    if chance == "build":
        running = build(docs, replace(SLOW, ef_construction=200), concurrently=True)
        seen(running, "building")
    ask(other, "UPDATE docs SET tenant = 9 WHERE id = 1")
    running = running or build(docs, SLOW, concurrently=True)
    seen(running, phase)
    running.cancel()
    with pytest.raises(QueryError) as raised:
        running.wait()
    assert "the index slow is left, invalid" in str(raised.value)
    assert f"process {other.info.backend_pid} of role" in str(raised.value)
    assert "DROP INDEX IF EXISTS public.slow" in str(raised.value)
    assert ask(raw, INVALID) == 1
    assert "slow is INVALID: every write keeps it up to date, no search uses it" in " ".join(
        repr(indexes(docs, "docs")).split()
    )
    other.commit()
    if chance == "close":
        docs.close()
    else:
        build(docs, spec(m=4, ef_construction=8)).wait()
    assert ask(raw, INVALID) == 0


def test_an_index_in_use_is_not_dropped_and_its_user_named(
    docs: Database, other: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(docs, spec(m=4, ef_construction=8)).wait()
    ask(other, "SELECT count(*) FROM docs")
    monkeypatch.setattr(sys.modules["pgvec_magic.build.drop"], "_PATIENCE_MS", 100)
    with pytest.raises(QueryError, match=f"cannot be dropped now: process {other.info.backend_pid} of role .* idle in"):
        drop(docs, "docs")


def test_a_lock_timeout_of_the_role_s_own_says_who_held_the_lock(dsn: str, docs: Database, other: connection) -> None:
    ask(other, "UPDATE docs SET tenant = 9 WHERE id = 1")
    impatient = dbs.connect(psycopg2.extensions.make_dsn(dsn, options="-c lock_timeout=200"), name="impatient")
    with pytest.raises(QueryError, match=f"lock timeout.*: process {other.info.backend_pid} of role"):
        build(impatient, spec()).wait()


# --- what cannot be is said before


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        (spec(method="ivfflat", lists=4000), {}, "3,000 vectors, fewer than 4,000 lists\n.*or take 3 lists"),
        (spec(method="ivfflat", lists=100), {"memory": "1MB"}, "IVFFlat needs .* MB of memory to find its lists"),
        (spec(type="halfvec"), {}, r"embedding is a vector\(16\), not a halfvec\(16\)"),
        (replace(spec(), column="tenant"), {}, "tenant is no vector column"),
        (replace(spec(), column="emb"), {}, "there are: embedding, id, tenant"),
        (replace(spec(), table="doc"), {}, "no table 'public.doc'"),
        (spec(), {"memory": "much"}, "'much' is no size of memory"),
        (spec(), {"workers": -1}, "it is 0 or more"),
        (spec(name="n" * 64), {}, "more than the 63 bytes"),
    ],
)
def test_what_cannot_be_built_is_refused(docs: Database, made: IndexSpec, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(docs, made, **options)


def test_a_column_without_dimensions_and_a_view_are_refused(db: Database) -> None:
    db.run(Query("CREATE TABLE docs (embedding vector)"))
    db.run(Query("CREATE VIEW seen AS SELECT embedding::vector(3) FROM docs"))
    with pytest.raises(UsageError, match=r"ALTER TABLE docs ALTER COLUMN embedding TYPE vector\(n\)"):
        build(db, IndexSpec(table="docs", column="embedding", dimensions=3))
    with pytest.raises(UsageError, match="ALTER TABLE docs"):
        spec_for(db, "docs")
    with pytest.raises(UsageError, match="seen is a view, which has no indexes"):
        build(db, IndexSpec(table="seen", column="embedding", dimensions=3))


def test_an_extension_off_the_search_path_is_no_obstacle(db: Database) -> None:
    db.run(Query("CREATE SCHEMA ext"))
    db.run(Query("ALTER EXTENSION vector SET SCHEMA ext"))
    db.run(Query("CREATE TABLE docs (embedding ext.vector(3))"))
    for options in ({}, {"form": "binary", "metric": "hamming"}, {"form": "subvector", "kept": 2}, {"form": "halfvec"}):
        made = IndexSpec(table="docs", column="embedding", dimensions=3, **options)  # type: ignore[arg-type]
        name = build(db, made).wait().index
        assert reindex(db, "docs", name).wait().index == name


def machine(read: facts.Facts, **changes: Any) -> facts.Facts:
    return replace(read, machine=Machine(memory=8192 * MIB, cpus=4, shm=None), **changes)


def test_settings_are_those_that_the_machine_can_spare(docs: Database) -> None:
    read = facts.read(docs, spec())
    large = machine(
        replace(read, parts=(500_000,), table=replace(read.table, bytes=400 * MIB)), available=8000 * MIB, disk=None
    )
    server = replace(large.server, memory=64 * MIB, most_workers=8, shared_memory="posix")
    large = replace(large, server=server)
    found = settings.chosen(spec(), large)
    assert (found.workers, found.spills_after) == (3, None)
    assert found.needed < found.memory < found.needed * 1.1
    assert dict(found.pairs)["maintenance_work_mem"] == f"'{found.memory // 1024}kB'"
    small = settings.chosen(spec(), replace(large, available=300 * MIB))
    assert small.memory == 225 * MIB
    assert small.spills_after is not None
    assert "this machine can spare 225 MB" in small.notes[0]
    elsewhere = settings.chosen(spec(), replace(large, machine=None, available=None))
    assert elsewhere.memory == max(server.memory, server.buffers) or elsewhere.spills_after is None
    tight = settings.chosen(spec(), large, memory="64MB", workers=3)
    assert tight.workers == 1  # Postgres leaves out a process that would have less than 32 MB
    assert settings.chosen(spec(), large, memory="8MB").workers == 0
    few = settings.chosen(spec(), replace(large, parts=(3000,), table=replace(large.table, bytes=MIB)))
    assert (few.workers, few.spills_after) == (0, None)


def test_a_shared_memory_or_a_disk_that_is_too_small_is_known_before(docs: Database) -> None:
    read = facts.read(docs, spec())
    large = replace(read, parts=(500_000,), table=replace(read.table, bytes=400 * MIB), available=8000 * MIB, disk=None)
    server = replace(read.server, most_workers=8, shared_memory="posix")
    large = replace(large, server=server, machine=Machine(8192 * MIB, 4, 64 * MIB))
    found = settings.chosen(spec(), large)
    assert found.workers == 0
    assert "/dev/shm has 64 MB free, and a parallel build takes" in found.notes[0]
    with pytest.raises(UsageError, match=r"/dev/shm has 64 MB free.*\n.*workers=0"):
        settings.chosen(spec(), large, workers=2)
    with pytest.raises(UsageError, match=r"the server's disk has 100 MB free"):
        settings.chosen(spec(), replace(large, disk=100 * MIB))


def test_a_parallel_build_is_parallel(docs: Database) -> None:
    running = build(docs, SLOW, workers=1)
    helping = Query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'", reads=True)
    eventually(lambda: docs.run(helping).rows[0][0] == 1 or not running.running, 30)
    assert running.running
    running.cancel()


# --- roles, poolers, lost servers


@pytest.fixture
def stranger(docs: Database, dsn: str, raw: connection) -> Iterator[Database]:
    """A connection that works as a role which may read docs and owns nothing."""
    ask(raw, "DROP ROLE IF EXISTS pgvec_stranger; CREATE ROLE pgvec_stranger; GRANT SELECT ON docs TO pgvec_stranger")
    yield dbs.connect(dsn, name="stranger", role="pgvec_stranger")
    dbs.close("stranger")
    ask(raw, "DROP OWNED BY pgvec_stranger; DROP ROLE pgvec_stranger")


def test_only_who_owns_the_table_may_build(stranger: Database, raw: connection) -> None:
    owner = ask(raw, "SELECT current_user")
    with pytest.raises(UsageError, match=f"only its owner, {owner}, may build indexes on docs"):
        build(stranger, spec())
    with pytest.raises(UsageError, match="CONCURRENTLY cannot run role pgvec_stranger"):
        build(stranger, spec(), concurrently=True)
    ask(raw, "ALTER TABLE docs OWNER TO pgvec_stranger")
    with pytest.raises(
        UsageError, match="may not create indexes in the schema public\nGRANT CREATE ON SCHEMA public TO"
    ):
        build(stranger, spec())
    ask(raw, "GRANT CREATE ON SCHEMA public TO pgvec_stranger")
    running = build(stranger, SLOW)
    eventually(lambda: running.progress.phase.startswith(("at work; the phase is hidden", "building")))
    running.cancel()
    ask(raw, f"ALTER TABLE docs OWNER TO {owner}")


def test_the_build_of_another_role_is_seen_without_its_phase(docs: Database, stranger: Database) -> None:
    running = build(docs, SLOW)
    seen(running, "building")
    assert "building an index: at work; the phase is hidden from this role" in " ".join(
        repr(indexes(stranger, "docs")).split()
    )
    assert "building an index: building index: loading tuples" in " ".join(repr(indexes(docs, "docs")).split())
    running.cancel()


def test_a_read_only_connection_builds_nothing(docs: Database, dsn: str) -> None:
    with pytest.raises(UsageError, match="this connection is read-only"):
        build(dbs.connect(dsn, name="reading", readonly=True), spec())


@pytest.mark.needs("pgbouncer")
def test_behind_a_pooler_only_what_is_one_message_is_built(pooled: str, docs: Database) -> None:
    behind = dbs.connect(pooled, name="behind")
    with pytest.raises(
        UsageError, match=r"there is a pooler in between.*\nconnect past it, such as %vconnect postgresql:"
    ):
        build(behind, spec(), concurrently=True)
    before = behind.run(Query("SHOW maintenance_work_mem")).rows
    build(behind, spec(m=4, ef_construction=8), memory="40MB").wait()
    assert behind.run(Query("SHOW maintenance_work_mem")).rows == before


def test_a_backend_that_is_ended_leaves_nothing(docs: Database, raw: connection) -> None:
    running = build(docs, SLOW, concurrently=True)
    seen(running, "building")
    ask(raw, "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
    with pytest.raises(QueryError, match=r"terminating connection|was cut off") as raised:
        running.wait()
    assert "nothing of it is left" in str(raised.value)
    assert ask(raw, INDEXES) == 0


@pytest.mark.parametrize("concurrently", [False, True])
def test_a_link_that_is_lost_does_not_leave_the_server_at_work(
    docs: Database, raw: connection, concurrently: bool
) -> None:
    running = build(docs, SLOW, concurrently=concurrently)
    seen(running, "building")
    running._own._link.hang_up()
    with pytest.raises(QueryError, match=r"the build of slow was cut off: .*; nothing of it is left\nrun it again"):
        running.wait()
    assert (ask(raw, ACTIVE), ask(raw, INDEXES)) == (0, 0)


@pytest.mark.parametrize("concurrently", [False, True])
def test_a_server_that_is_stopped_in_mid_build_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, concurrently: bool
) -> None:
    monkeypatch.setenv("PGVEC_HOME", str(home))
    db = dbs.connect()
    for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE EXTENSION vector"):
        db.run(Query(statement))
    fill(db)
    running = build(db, SLOW, concurrently=concurrently)
    seen(running, "building")
    stop_at_once(db)
    with pytest.raises(PgvecError, match="cut off") as raised:
        running.wait()
    assert "nothing of it is left" in str(raised.value)
    assert db.run(Query(INDEXES, reads=True)).rows == [(0,)]
    assert build(db, spec(m=4, ef_construction=8)).wait().rows == ROWS


# --- the magic


def test_vindex_builds_lists_rebuilds_and_drops(ip: InteractiveShell, docs: Database) -> None:
    ip.run("%load_ext pgvec_magic")
    report = ip.run('%vindex build docs --m 4 --ef-construction 8 --concurrently --where "tenant = 1" -o made')
    assert report.sql.startswith("CREATE INDEX CONCURRENTLY docs_embedding_idx ON public.docs USING hnsw")
    assert ip.user_ns["made"] is report
    assert [index.where for index in ip.run("%vindex docs")] == ["(tenant = 1)"]
    assert ip.run("%vindex reindex docs").index == "docs_embedding_idx"
    assert ip.run("%vindex drop docs").index == "docs_embedding_idx"
    assert "%vindex build docs makes one" in repr(ip.run("%vindex list docs"))
    report = ip.run("%vindex build docs --method ivfflat --metric l2 --name near")
    assert (report.index, "lists = 3" in report.sql) == ("near", True)


def test_vindex_in_the_background_gives_the_build_at_once(ip: InteractiveShell, docs: Database) -> None:
    ip.run("%load_ext pgvec_magic")
    running = ip.run("%vindex build docs --m 50 --ef-construction 1000 --background")
    assert running.running
    assert ip.run("%%vsql\nSELECT count(*) FROM docs").rows == [(ROWS,)]
    running.cancel()
    assert "was stopped" in repr(running)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("advize docs", "no word 'advize'\ndid you mean 'advise'"),
        ("build", "%vindex needs TABLE"),
        ("list docs --m 5", "%vindex list takes no --m"),
        ("drop docs", "docs has no vector index"),
        ("build docs --as subvector", "give --keep N"),
        ('build docs --where "tenant = :t"', ":t cannot be bound"),
        ("build docs --column tenant", "docs.tenant has no vectors"),
    ],
)
def test_vindex_refuses(ip: InteractiveShell, docs: Database, line: str, said: str) -> None:
    ip.run("%load_ext pgvec_magic")
    with pytest.raises(UsageError, match=said):
        ip.run(f"%vindex {line}")


def test_an_interrupt_of_the_magic_cancels_the_build(ip: InteractiveShell, docs: Database, raw: connection) -> None:
    ip.run("%load_ext pgvec_magic")
    threading.Timer(1.0, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        ip.run("%vindex build docs --m 50 --ef-construction 1000")
    assert (ask(raw, ACTIVE), ask(raw, INDEXES)) == (0, 0)


def test_work_before_a_connection_closes_is_done_once_and_its_errors_do_not_matter(db: Database) -> None:
    done: list[str] = []
    db.before_close(lambda: done.append(db.run(Query("SELECT 'last'")).rows[0][0]))
    db.before_close(lambda: db.run(Query("SELECT 1 / 0")) and None)
    db.close()
    db.close()
    assert done == ["last"]


def test_a_notice_is_heard_while_the_statement_runs(db: Database) -> None:
    heard: list[tuple[float, str]] = []
    with contextlib.closing(db.clone(heard=lambda text: heard.append((time.monotonic(), text)))) as following:
        rows = following.run(Query("DO $$ BEGIN RAISE NOTICE 'one'; PERFORM pg_sleep(0.4); END $$"))
    assert heard[0][1] == "NOTICE:  one"
    assert time.monotonic() - heard[0][0] >= 0.4
    assert rows.notices == ("NOTICE:  one",)


def test_where_libpq_cannot_be_seen_a_notice_is_heard_in_the_end(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*_: object) -> object:
        raise AttributeError

    monkeypatch.setattr("pgvec_magic.db.notices._processor", hidden)
    heard: list[str] = []
    with contextlib.closing(db.clone(heard=heard.append)) as following:
        following.run(Query("DO $$ BEGIN RAISE NOTICE 'one'; END $$"))
    assert heard == ["NOTICE:  one"]
