from __future__ import annotations

import builtins
import gc
import json
import os
import re
import stat
import subprocess
import sys
import threading
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pgvec_magic import samples
from pgvec_magic.errors import UsageError
from pgvec_magic.samples import cache, compiled, naming, pydocs, source

CLONE = Path(__file__).parent.parent
LOADED_TWICE = """
import json, sys, time
import numpy.random, pandas, platformdirs, pyarrow.parquet
from pgvec_magic import samples

def third_party():
    ours = {"pgvec_magic", *sys.stdlib_module_names}
    return {n for n in sys.modules if n.partition(".")[0] not in ours and not n.startswith("_")}

before = third_party()
found = {}
for turn in ("first", "second"):
    seen = []
    wall, cpu = time.perf_counter(), time.process_time()
    sample = samples.load("pydocs", lambda done, total: seen.append((done, total)))
    found[turn] = {
        "seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "progress": seen,
        "fingerprint": sample.fingerprint, "ids": sample.frame["id"].tolist(),
    }
found["imported"] = sorted(third_party() - before)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def loaded(home: Path) -> dict[str, Any]:
    """What a new process saw that loaded pydocs twice, the first time with nothing kept."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADED_TWICE],
        cwd=CLONE,
        env={**os.environ, "PGVEC_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def kept(loaded: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache that is filled."""
    monkeypatch.setenv("PGVEC_HOME", str(home))
    return home / "cache" / "samples"


@pytest.fixture
def frame(kept: Path) -> Any:
    return samples.load("pydocs").frame.set_index("id")


def module(text: str, name: str = "package.module", is_package: bool = False) -> source.Module:
    return source.read(text.encode(), name, is_package)


def named(*modules: source.Module) -> list[str]:
    return [f"{d.module}.{d.qualname}" for d in naming.public(modules)]


# --- the sample


def test_there_are_thousands_of_rows_after_some_seconds(loaded: dict[str, Any]) -> None:
    assert len(loaded["first"]["ids"]) >= 8_000
    assert len(loaded["first"]["ids"]) <= 40_000
    # Seconds of work, since other programs may run beside this one: some 7, and 11 where cores are shared.
    assert loaded["first"]["cpu"] <= 20


def test_a_second_load_is_much_faster_and_gives_the_same(loaded: dict[str, Any]) -> None:
    first, second = loaded["first"], loaded["second"]
    assert second["seconds"] < first["seconds"] / 5
    assert second["ids"] == first["ids"]
    assert second["fingerprint"] == first["fingerprint"]
    assert re.fullmatch("[0-9a-f]{12}", first["fingerprint"])


def test_progress_counts_packages_to_the_end(loaded: dict[str, Any]) -> None:
    total = len(pydocs.PACKAGES) + 1
    assert loaded["first"]["progress"] == [[done, total] for done in range(1, total + 1)]


def test_nothing_is_imported_but_what_pandas_is_made_of(loaded: dict[str, Any]) -> None:
    assert {name.partition(".")[0] for name in loaded["imported"]} <= {"numpy", "pandas", "pyarrow"}


def test_another_process_finds_the_same_rows(loaded: dict[str, Any], kept: Path) -> None:
    sample = samples.load("pydocs")
    assert sample.fingerprint == loaded["first"]["fingerprint"]
    assert sample.frame["id"].tolist() == loaded["first"]["ids"]


def test_a_sample_says_what_its_columns_are_for(kept: Path) -> None:
    sample = samples.load("pydocs")
    assert (sample.name, sample.text, sample.id) == ("pydocs", "content", "id")
    assert list(sample.frame) == ["id", "package", "module", "name", "kind", "signature", "content", "n_chars"]
    assert sample.frame["id"].is_unique
    assert not sample.frame.isna().any().any()
    assert set(sample.frame["kind"]) == {"class", "function", "method"}
    assert (sample.frame["content"].str.len() == sample.frame["n_chars"]).all()
    assert sample.frame["n_chars"].max() < 1_500


def test_an_unknown_sample_is_refused_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="no sample 'pydoc'") as caught:
        samples.load("pydoc")
    assert caught.value.hint == "did you mean 'pydocs'?"
    with pytest.raises(UsageError, match="no sample 'other'"):
        samples.questions("other")
    assert samples.names() == ("pydocs", "helpdesk")


# --- what is in it, and what is not


@pytest.mark.parametrize(
    ("identifier", "package", "module_name", "name", "kind", "says"),
    [
        ("csv.reader", "python", "csv", "reader", "function", "The returned object is an iterator."),
        ("str.split", "python", "builtins", "str.split", "method", "Return a list of the substrings in the string"),
        ("len", "python", "builtins", "len", "function", "Return the number of items in a container."),
        ("os.path.exists", "python", "os.path", "exists", "function", "Test whether a path exists."),
        ("os.listdir", "python", "os", "listdir", "function", "containing the names of the files"),
        ("itertools.groupby", "python", "itertools", "groupby", "class", "consecutive keys and groups"),
        ("collections.deque.appendleft", "python", "collections", "deque.appendleft", "method", "left side"),
        ("socket.socket.bind", "python", "socket", "socket.bind", "method", "Bind the socket to a local address."),
        ("json.JSONDecoder", "python", "json", "JSONDecoder", "class", "Simple JSON"),
        ("pathlib.Path.glob", "python", "pathlib", "Path.glob", "method", "Iterate over this subtree"),
        ("logging.handlers.TimedRotatingFileHandler", "python", "logging.handlers", "TimedRotatingFileHandler", "class",
         "timed rotating file handler"),
        ("numpy.linspace", "numpy", "numpy", "linspace", "function", "Return evenly spaced numbers"),
        ("numpy.add", "numpy", "numpy", "add", "function", "Add arguments element-wise."),
        ("numpy.ndarray.reshape", "numpy", "numpy", "ndarray.reshape", "method", "same data with a new shape"),
        ("numpy.random.Generator.choice", "numpy", "numpy.random", "Generator.choice", "method", "random sample"),
        ("pandas.merge", "pandas", "pandas", "merge", "function", "with a database-style join"),
        ("pandas.DataFrame.merge", "pandas", "pandas", "DataFrame.merge", "method", "with a database-style join"),
        ("pandas.Timestamp.round", "pandas", "pandas", "Timestamp.round", "method", "Round the Timestamp"),
        ("pandas.Timedelta.total_seconds", "pandas", "pandas", "Timedelta.total_seconds", "method", "seconds"),
        ("pyarrow.Table.group_by", "pyarrow", "pyarrow", "Table.group_by", "method", "Declare a grouping"),
        ("IPython.InteractiveShell.run_line_magic", "IPython", "IPython", "InteractiveShell.run_line_magic", "method",
         "line magic"),
        ("plotly.express.scatter", "plotly", "plotly.express", "scatter", "function", "In a scatter plot"),
    ],
)  # fmt: skip
def test_a_row_is_under_its_public_name(
    frame: Any, identifier: str, package: str, module_name: str, name: str, kind: str, says: str
) -> None:
    row = frame.loc[identifier]
    assert (row["package"], row["module"], row["name"], row["kind"]) == (package, module_name, name, kind)
    assert row["content"].startswith(identifier)
    assert says in row["content"]


def test_the_content_opens_with_the_call_and_its_words(frame: Any) -> None:
    heading, words, *_ = frame.loc["logging.handlers.TimedRotatingFileHandler", "content"].split("\n")
    assert heading.startswith("logging.handlers.TimedRotatingFileHandler(filename, when='h', interval=1, ")
    assert words == "handlers TimedRotatingFileHandler logging timed rotating file handler"


def test_a_long_signature_is_whole_in_its_column_and_short_in_the_content(frame: Any) -> None:
    row = frame.loc["pandas.read_csv"]
    assert "dtype_backend=" in row["signature"]
    heading = row["content"].split("\n")[0]
    assert heading.endswith("…)")
    assert len(heading) < 230


def test_signatures_show_neither_self_nor_annotations_nor_addresses(frame: Any) -> None:
    assert frame.loc["pandas.DataFrame.merge", "signature"].startswith("(right, how='inner', on=None")
    assert frame.loc["pyarrow.Table.group_by", "signature"] == "(keys, use_threads=True)"
    assert frame.loc["dict.setdefault", "signature"] == "(key, default=None, /)"
    assert not frame["signature"].str.contains(" at 0x").any()
    assert not frame["signature"].str.match(r"\(self\b").any()


def test_no_private_tested_vendored_or_generated_thing_is_in_it(frame: Any) -> None:
    parts = {part for identifier in frame.index for part in identifier.split(".")}
    assert [part for part in parts if part.startswith("_")] == []
    assert parts.isdisjoint({"tests", "idle_test", "externals", "vendored", "conftest", "graph_objs", "validators"})
    assert "pgvec_magic" not in parts
    assert Counter(frame["package"])["openai"] < 1_000  # thousands with what is generated from its specification


def test_the_packages_are_those_that_this_one_depends_on(frame: Any) -> None:
    project = tomllib.loads((CLONE / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(pydocs.PACKAGES.values()) == {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    assert set(frame["package"]) <= {"python", *pydocs.PACKAGES}
    assert {"python", "numpy", "pandas", "pyarrow", "IPython", "psycopg2"} <= set(frame["package"])


def test_nothing_that_ipython_adds_to_builtins_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def display() -> None:
        """Show a value."""

    monkeypatch.setattr(builtins, "display", display, raising=False)
    found = next(iter(compiled.standard_library()))
    assert found.name == "builtins"
    assert "len" in found.defined
    assert "display" not in found.defined


def test_the_collector_is_as_it_was_after_reading(kept: Path) -> None:
    next(kept.glob("*-psutil-*")).unlink()
    assert gc.isenabled()
    samples.load("pydocs")
    assert gc.isenabled()


# --- the questions


def test_there_are_twenty_questions_of_each_kind_and_none_twice() -> None:
    asked = samples.questions("pydocs")
    assert Counter(question.kind for question in asked) == {"keyword": 20, "meaning": 20, "both": 20}
    assert len({question.text for question in asked}) == 60


def test_every_answer_to_a_question_is_a_row(frame: Any) -> None:
    asked = samples.questions("pydocs")
    here = set(frame.index)
    assert [question.text for question in asked if not here.intersection(question.answers)] == []
    answers = {answer for question in asked for answer in question.answers}
    # A few of the equally right ones come and go with versions of Python, numpy and pandas.
    assert len(answers - here) <= len(answers) * 0.05, answers - here
    assert all(len(set(question.answers)) == len(question.answers) for question in asked)


# --- the cache


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut short"),
        pytest.param(lambda data: data[:2000] + bytes(500) + data[2500:], id="overwritten inside"),
        pytest.param(lambda data: b"not parquet at all", id="another format"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_a_damaged_file_is_built_again(kept: Path, loaded: dict[str, Any], damage: Any) -> None:
    file = next(kept.glob("*-psutil-*"))
    others = {path: path.stat().st_mtime_ns for path in kept.glob("*.parquet") if path != file}
    file.write_bytes(damage(file.read_bytes()))
    assert cache.read(file.stem) is None
    assert samples.load("pydocs").fingerprint == loaded["first"]["fingerprint"]
    assert cache.read(file.stem) is not None
    assert others == {path: path.stat().st_mtime_ns for path in others}


def test_a_whole_file_with_other_texts_is_not_believed(kept: Path, loaded: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    file = next(kept.glob("*-psutil-*"))
    table = pq.read_table(file)
    other = table.set_column(6, "content", pa.array(["changed"] * table.num_rows))
    pq.write_table(other.replace_schema_metadata(table.schema.metadata), file)
    assert samples.load("pydocs").fingerprint == loaded["first"]["fingerprint"]


def test_a_file_is_kept_for_each_package_and_version_and_only_its_owner_may_look(kept: Path) -> None:
    assert len(list(kept.iterdir())) == len(pydocs.PACKAGES) + 1
    assert next(kept.glob("*-psutil-*")).stem.split("-")[2] == __import__("psutil").__version__
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_who_reads_while_others_write_never_sees_half_a_file() -> None:
    table = pa.table({"id": [str(n) for n in range(2000)], "content": ["text " * 20] * 2000})
    cache.write("shared", table)
    writers = [threading.Thread(target=lambda: [cache.write("shared", table) for _ in range(25)]) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        seen.append(cache.read("shared") is not None)
    assert len(seen) > 10
    assert all(seen)
    assert [path.name for path in cache.folder().iterdir()] == ["shared.parquet"]


def test_without_a_place_to_write_there_is_no_cache_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PGVEC_HOME", str(tmp_path / "file"))
    cache.write("name", pa.table({"id": ["a"], "content": ["b"]}))
    assert cache.read("name") is None


def test_the_cache_is_in_the_user_s_own_folder_where_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGVEC_HOME")
    import platformdirs

    assert cache.folder() == Path(platformdirs.user_cache_dir("pgvec_magic"), "samples")


# --- reading source


def test_what_has_a_docstring_is_read_with_its_kind_and_signature() -> None:
    read = module(
        '''
def plain(a, b: int = 1, /, c=None, *rest: str, d, e="x", **more: int) -> None:
    """Says

        something."""
class Thing(Base):
    """A thing."""
    def __init__(self, size: int = 3): "Makes it."
    def method(self, /, x, *, y): "Does it."
    @property
    def size(self): "How large."
    @classmethod
    def made(cls): "Makes another."
    class Inner:
        async def wait(self): "Waits."
    def undocumented(self): pass
    def _private(self): "Hidden."
def blank(): " "
def undocumented(): pass
'''
    )
    assert [(d.qualname, d.kind, d.signature, d.doc) for d in read.definitions] == [
        ("plain", "function", "(a, b=1, /, c=None, *rest, d, e='x', **more)", "Says\n\nsomething."),
        ("Thing", "class", "(size=3)", "A thing."),
        ("Thing.method", "method", "(x, *, y)", "Does it."),
        ("Thing.size", "method", "", "How large."),
        ("Thing.made", "method", "()", "Makes another."),
        ("Thing.Inner.wait", "method", "()", "Waits."),
    ]


def test_what_is_defined_under_a_condition_is_read_and_what_a_function_hides_is_not() -> None:
    read = module(
        """
if sys.platform == "win32":
    def a(): "One."
else:
    def b(): "Two."
try:
    def c(): "Three."
except ImportError:
    def d(): "Four."
def outer():
    def e(): "Five."
"""
    )
    assert [d.qualname for d in read.definitions] == ["a", "b", "c", "d"]


def test_what_is_not_python_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "template.py"
    file.write_text("def {{ name }}(): pass")
    assert pydocs._read(file, "template") is None


def test_generated_files_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "types.py"
    text = 'class A:\n    """Written by hand."""\n'
    file.write_text(text)
    assert pydocs._read(file, "types") is not None
    file.write_text("# File generated from our OpenAPI spec\n" + text)
    assert pydocs._read(file, "types") is None


# --- public names


def test_a_definition_has_the_name_of_the_highest_package_that_hands_it_out() -> None:
    assert named(
        module("from .decoder import Decoder", "json", is_package=True),
        module("class Decoder: 'Decodes.'\ndef scan(): 'Scans.'", "json.decoder"),
    ) == ["json.Decoder", "json.decoder.scan"]


def test_names_are_followed_through_several_modules_and_stars() -> None:
    assert named(
        module("from .core import linspace", "numpy", is_package=True),
        module("from .base import *", "numpy.core", is_package=True),
        module("from ._impl import linspace", "numpy.core.base"),
        module("def linspace(): 'Numbers.'\ndef helper(): 'Helps.'", "numpy.core._impl"),
    ) == ["numpy.linspace"]


def test_a_star_takes_only_what_all_names() -> None:
    assert named(
        module("from .tasks import *", "asyncio", is_package=True),
        module("__all__ = ('sleep',)\ndef sleep(): 'Waits.'\ndef other(): 'Else.'", "asyncio.tasks"),
    ) == ["asyncio.sleep", "asyncio.tasks.other"]


def test_what_stands_in_a_private_module_has_the_name_of_a_public_one_or_none() -> None:
    assert named(
        module("from _csv import reader, writer", "csv"),
        module("def reader(): 'Reads.'\ndef hidden(): 'Nobody can reach it.'", "_csv"),
    ) == ["csv.reader"]


def test_the_public_module_that_lists_a_name_goes_before_one_that_only_uses_it() -> None:
    assert named(
        module("from _collections_abc import Sequence", "aaa"),
        module("__all__ = ['Sequence']\nfrom _collections_abc import Sequence", "collections.abc"),
        module("class Sequence: 'In order.'", "_collections_abc"),
    ) == ["collections.abc.Sequence"]


def test_the_methods_a_class_inherits_from_its_private_twin_are_its_own() -> None:
    assert named(
        module("from _socket import *\nclass socket(_socket.socket):\n    'A socket.'", "socket"),
        module("class socket:\n    'The twin.'\n    def bind(self): 'Binds.'", "_socket"),
    ) == ["socket.socket", "socket.socket.bind"]


def test_of_two_definitions_of_a_name_the_first_documented_one_counts() -> None:
    (found,) = naming.public([module("def f(): pass\ndef f(): 'First.'\ndef f(): 'Second.'", "m")])
    assert found.doc == "First."


def test_names_that_import_each_other_in_a_circle_are_no_trouble() -> None:
    assert named(
        module("from .b import *", "a", is_package=True),
        module("from . import *", "a.b"),
        module("def y(): 'Y.'", "a.c"),
    ) == ["a.c.y"]
