"""What each word of ``%vindex`` does."""

from __future__ import annotations

from ..advise import advise
from ..build import Build, build, drop, indexes, reindex, spec_for, workshop
from ..cell import IndexRequest
from ..db import Database
from ..trial import trial
from .progress import ProgressLine


def do(db: Database, asked: IndexRequest, *, in_notebook: bool) -> object:
    """Do what a line asks for, and return its value; of a build in the background the build itself."""
    options = dict(asked.options)
    if asked.word == "both":
        return workshop(db, asked.table, **options)
    if asked.word == "advise":
        return advise(db, asked.table, **options)
    if asked.word == "compare":
        with ProgressLine(in_notebook=in_notebook) as line:
            return trial(db, asked.table, **options, progress=line.show)
    if asked.word == "list":
        return indexes(db, asked.table)
    if asked.word == "drop":
        return drop(db, asked.table, **options)
    if asked.word == "reindex":
        begun = reindex(db, asked.table, **options)
    else:
        kept = {name: options.pop(name) for name in ("concurrently", "memory", "workers") if name in options}
        begun = build(db, spec_for(db, asked.table, **options), **kept)
    return begun if asked.background else watched(begun, in_notebook)


def watched(begun: Build, in_notebook: bool) -> object:
    """Show the progress of a build to its end, and return its report; whatever ends the watching ends the build."""
    with begun, ProgressLine(in_notebook=in_notebook) as line:
        for progress in begun:
            line.show(str(progress))
    return begun.report
