"""The magics: each reads its line, calls one verb and returns the value.

Verbs are imported by the magic that calls them: loading the extension imports the grammar alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Enum, Integer, TraitError, validate

from .. import cell
from ..errors import ConnectError, UsageError, did_you_mean
from ..query import MODES, STRATEGIES

if TYPE_CHECKING:
    from traitlets.config import Config

    from ..db import Database
    from ..search import Explanation


@magics_class
class PgvecMagics(Magics):
    """The magics of pgvec_magic; ``%config PgvecMagics`` lists what can be set."""

    k = Integer(10, help="How many rows a search returns.").tag(config=True)
    mode = Enum(MODES, "vector", help="How a search finds rows.").tag(config=True)
    strategy = Enum(STRATEGIES, "auto", help="How a vector index is scanned.").tag(config=True)

    @validate("k")
    def _at_least_one(self, proposal: Any) -> int:
        if proposal.value < 1:
            raise TraitError("PgvecMagics.k is a whole number of 1 or more")
        return int(proposal.value)

    def update_config(self, config: Config) -> None:
        """Take settings; UsageError for one that does not exist, which traitlets would only warn about."""
        known = self.class_trait_names(config=True)
        for name in config.get(type(self).__name__, {}):
            if name not in known:
                raise UsageError(f"PgvecMagics has no setting {name!r}", did_you_mean(name, known))
        super().update_config(config)

    @line_magic
    @no_var_expand
    def vconnect(self, line: str) -> object:
        """Connect, and show what is there."""
        from .. import db, overview

        asked = cell.parse_connect(line, self._names)
        if asked.list:
            return overview.connections()
        if asked.close:
            db.close(asked.close)
            return overview.connections()
        note = _password_note(line, asked)
        try:
            return overview.connection(_connected(asked), note)
        except ConnectError as error:
            raise ConnectError(error.message, "\n".join(filter(None, [error.hint, *note]))) from None

    @line_magic
    @no_var_expand
    def vtables(self, line: str) -> object:
        """Show the tables that have vectors."""
        from .. import db, overview

        asked = cell.parse_tables(line, self._names)
        database = db.get(asked.connection)
        found = overview.detail(database, asked.table) if asked.table else overview.tables(database)
        return self._kept(asked.output, found)

    @line_magic
    @no_var_expand
    def vload(self, line: str) -> object:
        """Load rows and vectors."""
        from .. import db
        from ..load import load
        from .progress import LoadProgress

        asked = cell.parse_load(line, self._names)
        with LoadProgress(in_notebook=hasattr(self.shell, "kernel")) as progress:
            report = load(db.get(asked.connection), asked.table, asked.source, **asked.options, progress=progress)
        return self._kept(asked.output, report)

    @line_magic
    @no_var_expand
    def vembed(self, line: str) -> object:
        """Give a table that has text its vectors."""
        from .. import db
        from ..load import embed_table
        from .progress import LoadProgress

        asked = cell.parse_embed(line, self._names)
        with LoadProgress(in_notebook=hasattr(self.shell, "kernel")) as progress:
            report = embed_table(db.get(asked.connection), asked.table, **asked.options, progress=progress)
        return self._kept(asked.output, report)

    @line_cell_magic
    @no_var_expand
    def vsearch(self, line: str, body: str | None = None) -> object:
        """Search a table."""
        from .. import db
        from ..search import dry_run, search

        asked = cell.parse_search(line, body, self._names, self._defaults)
        database = db.get(asked.connection)
        if asked.dry_run:
            return self._kept(asked.output, dry_run(database, asked.search))
        if asked.explain or asked.prove:
            return self._kept(asked.output, _explained(asked, database, asked.search))
        if asked.compare:
            return self._kept(asked.output, _compared(asked, database))
        result = search(database, asked.search)
        return self._kept(asked.output, result.figure() if asked.plot else result)

    @cell_magic
    @no_var_expand
    def vsql(self, line: str, body: str) -> object:
        """Run SQL."""
        from .. import db
        from ..search import sql

        asked = cell.parse_sql(line, body, self._names)
        database = db.get(asked.connection)
        if asked.explain or asked.prove:
            return self._kept(asked.output, _explained(asked, database, sql=asked.text, **asked.options))
        return self._kept(asked.output, sql(database, asked.text, **asked.options))

    @cell_magic
    @no_var_expand
    def vplan(self, line: str, body: str) -> object:
        """Show a plan."""
        from ..search import read_plan

        asked = cell.parse_plan(line, body, self._names)
        return self._kept(asked.output, read_plan(asked.text))

    @line_magic
    @no_var_expand
    def vrecall(self, line: str) -> object:
        """Measure recall."""
        from .. import db
        from ..recall import recall
        from .progress import LoadProgress

        asked = cell.parse_recall(line, self._names)
        with LoadProgress(in_notebook=hasattr(self.shell, "kernel")) as progress:
            curve = recall(db.get(asked.connection), asked.table, **asked.options, progress=progress)
        kept = self._kept(asked.output, curve)
        if asked.apply:
            curve.apply(asked.apply)
        return kept

    @line_magic
    @no_var_expand
    def vhealth(self, line: str) -> object:
        """Check up on tables."""
        from .. import db
        from ..health import health
        from .mending import mended

        asked = cell.parse_health(line, self._names)
        database = db.get(asked.connection)
        found = health(database, asked.table)
        kept = self._kept(asked.output, found)
        return mended(database, found, self.shell) if asked.fix else kept

    @line_magic
    @no_var_expand
    def vpanel(self, line: str) -> object:
        """Open a panel."""
        from .. import db
        from ..panels import panel

        asked = cell.parse_panel(line, self._names)
        about = self._last_plan() if asked.about is None and asked.panel == "plan" else asked.about
        is_at_hand = asked.connection or db.names() or isinstance(about, str)  # a pasted plan needs no connection
        database = db.get(asked.connection) if is_at_hand else None
        return self._kept(asked.output, panel(database, asked.panel, about))

    def _last_plan(self) -> Explanation:
        """Return the plan that a cell showed last."""
        from ..search import Explanation

        shown = reversed(self._names.get("Out", {}).values())
        found = next((value for value in shown if isinstance(value, Explanation)), None)
        if found is None:
            hint = "%vsearch TABLE text --explain shows one; %vpanel plan :name takes a variable's"
            raise UsageError("no cell has shown a plan yet", hint)
        return found

    @line_magic
    @no_var_expand
    def vindex(self, line: str) -> object:
        """Work on vector indexes."""
        from .. import db
        from .indexes import do

        asked = cell.parse_index(line, self._names)
        done = do(db.get(asked.connection), asked, in_notebook=hasattr(self.shell, "kernel"))
        return self._kept(asked.output, done)

    @property
    def _names(self) -> dict[str, Any]:
        assert self.shell is not None, "magics are registered with a shell"
        names: dict[str, Any] = self.shell.user_ns
        return names

    @property
    def _defaults(self) -> dict[str, object]:
        return {"k": self.k, "mode": self.mode, "strategy": self.strategy}

    def _kept(self, name: str | None, value: object) -> object:
        """Bind a value to the name that ``-o`` gave, and return it."""
        if name is not None:
            self._names[name] = value
        return value


def _connected(asked: cell.ConnectRequest) -> Database:
    """Return the open connection of that name, or a new one."""
    from .. import db

    if isinstance(asked.source, str) and asked.source in db.names():
        if asked != cell.ConnectRequest(asked.source):
            hint = f"%vconnect {asked.source} alone goes back to it; to open another give its DSN"
            raise UsageError(f"{asked.source} is open already, and stays as it was opened", hint)
        return db.use(asked.source)
    return db.connect(
        asked.source,
        name=asked.name,
        readonly=asked.readonly,
        role=asked.role,
        session=dict(asked.session),
        timeout=asked.timeout,
        create_extension=asked.create_extension,
    )


def _explained(asked: cell.SearchRequest | cell.SqlRequest, database: Database, *what: Any, **options: Any) -> object:
    """Return a plan, with its fixes tried where that is asked for."""
    from ..compare import proved
    from ..search import explain

    found = explain(database, *what, **options)
    return proved(database, found) if asked.prove else found


def _compared(asked: cell.SearchRequest, database: Database) -> object:
    """Return the ways of a search side by side, as a picture where that is asked for."""
    from ..compare import compare

    found = compare(database, asked.search)
    return found.figure() if asked.plot else found


def _password_note(line: str, asked: cell.ConnectRequest) -> tuple[str, ...]:
    """Warn of a password that was typed: what comes out of a variable does not stand in the notebook."""
    from .. import db

    if not isinstance(asked.source, str) or asked.source not in line or not db.has_password(asked.source):
        return ()
    return ("the password now stands in this notebook and in %history: $PGVEC_DSN or ~/.pgpass keep it out",)


# The help of a magic is made of its grammar, so that it cannot be wrong.
for _magic in (
    "vconnect",
    "vtables",
    "vload",
    "vembed",
    "vsearch",
    "vsql",
    "vplan",
    "vindex",
    "vrecall",
    "vhealth",
    "vpanel",
):
    getattr(PgvecMagics, _magic).__doc__ = cell.usage(_magic)
