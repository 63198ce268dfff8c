"""The rows to compare, as the server gives them: counted, sampled, read in batches, measured in pairs, shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from ..db import Copy, Database
from ..query import Query
from ..query.target import Target, ident
from ..sqltext import bind, placeholders
from .stream import Block, Pipe

# A row's key, each of its columns as the server's text: exact for every type, and it goes back as it came.
Key = tuple[str, ...]
Settings = tuple[tuple[str, str], ...]
# Rows or pairs that one message asks for by their keys.
ASKED = 2_000
# Keys are looked up one by one: joined otherwise, the whole table is read and hashed for a few thousand of them.
_LOOKED_UP = (("enable_hashjoin", "off"), ("enable_mergejoin", "off"))
_SYSTEM = {"ctid": "tid", "tableoid": "oid"}


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows pass the filter, how many of these have a vector, and the last page that one lies on."""

    rows: int
    with_vector: int
    last_page: int


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a table that pass the conditions and have a vector."""

    db: Database
    target: Target
    where: tuple[str, ...]
    params: Mapping[str, object]

    @property
    def has_key(self) -> bool:
        """Whether rows are told apart by columns of theirs, not by where they lie."""
        return "ctid" not in self.target.table.key

    def only(self, keys: Sequence[Key]) -> Source:
        """Return those of the rows that have these keys."""
        names = [f"pgvec_key_{i}" for i in range(len(self.target.keys))]
        texts = ", ".join(f"{key}::text" for key in self.target.keys).replace("%%", "%")  # as a person writes it
        listed = f"({texts}) IN (SELECT * FROM unnest({', '.join(f':{name}::text[]' for name in names)}))"
        params = {name: [key[i] for key in keys] for i, name in enumerate(names)}
        return replace(self, where=(*self.where, listed), params={**self.params, **params})

    def count(self) -> Count:
        """Count the rows."""
        last = "NULL" if self.has_key else "max(ctid)::text"
        sql = f"SELECT count(*), count({self._vector}), {last} FROM {self.target.relation}{self._filter()}"
        rows, with_vector, place = self.run(sql)[0]
        return Count(rows, with_vector, int(place.strip("()").partition(",")[0]) if place else 0)

    def sample(self, rows: int) -> list[bytes]:
        """Return the vectors of rows picked at random, in their wire form."""
        # What is sorted holds where a long vector lies, not the vector itself.
        drawn = f"SELECT {self._vector} AS drawn FROM {self.target.relation}{self._filter(self._known)}"
        sql = f"SELECT {self._sent('drawn')} FROM (\n{drawn}\nORDER BY random() LIMIT {rows}\n) AS sample"
        return [sent for (sent,) in self.run(sql)]

    def batches(self, rows: int, count: Count) -> Iterator[tuple[list[Key], list[bytes]]]:
        """Read all rows, about so many at a time: their keys, and their vectors in their wire form."""
        pages = self._by_key if self.has_key else self._by_place
        for batch in pages([*self._key_texts(), self._sent(self._vector)], rows, count):
            yield [row[:-1] for row in batch], [row[-1] for row in batch]

    def all_at_once(self, rows: int) -> Iterator[Block]:
        """Read all rows in one pass, of one moment, so many at a time; the server sends on while they are worked on."""
        select = f"SELECT {', '.join([self._vector, *self._key_texts()])}\nFROM {self.target.relation}"
        pipe, query = Pipe(rows), self.query(f"{select}{self._filter(self._known)}", {})
        copy = Copy(f"COPY (\n{query.sql}\n) TO STDOUT (FORMAT binary)", cast("IO[bytes]", pipe), query.params)
        read_only = Query("SELECT", settings=(("transaction_read_only", "on"),))
        return pipe.blocks(lambda: self.db.transaction([read_only, copy]), self.db.cancel)

    def drawn(self, rows: int) -> list[tuple[Key, tuple[object, ...], bytes]]:
        """Return rows picked at random: the key as texts and as values, and the vector in its wire form."""
        keys = self.target.keys
        texts = [f"{key}::text AS text_{i}" for i, key in enumerate(keys)]
        picked = ", ".join([*texts, *(f"{key} AS key_{i}" for i, key in enumerate(keys)), f"{self._vector} AS drawn"])
        outputs = ", ".join([f"{form}_{i}" for form in ("text", "key") for i in range(len(keys))])
        sql = (
            f"SELECT {outputs}, {self._sent('drawn')} FROM (\nSELECT {picked}\nFROM {self.target.relation}"
            f"{self._filter(self._known)}\nORDER BY random() LIMIT {rows}\n) AS sample"
        )
        return [(row[: len(keys)], row[len(keys) : -1], row[-1]) for row in self.run(sql)]

    def keys(self, rows: int, count: Count) -> Iterator[list[Key]]:
        """Read the keys of all rows, about so many at a time."""
        pages = self._by_key if self.has_key else self._by_place
        return pages(self._key_texts(), rows, count)

    def distances(self, pairs: Sequence[tuple[Key, Key]], most: float | None = None) -> dict[int, float]:
        """Return the distance of each pair, or of those within ``most``, by its place among the pairs."""
        distance = f"a.{self.target.need_vectors().distance(f'b.{self._vector}')}"
        within = "" if most is None else f" WHERE distance <= {most!r}"
        sql = (
            f"SELECT n, distance FROM (\nSELECT asked.n, {distance} AS distance\n"
            f"FROM {self._asked('a', 'b')}\nJOIN {self._named('a')}\nJOIN {self._named('b')}\n"
            f"OFFSET 0) AS measured{within}"
        )
        found: dict[int, float] = {}
        for start in range(0, len(pairs), ASKED):
            part = pairs[start : start + ASKED]
            params = self._lists("a", [a for a, _ in part]) | self._lists("b", [b for _, b in part])
            found |= {start + n - 1: distance for n, distance in self.run(sql, params, _LOOKED_UP)}
        return found

    def distances_from(self, vectors: Sequence[str], pairs: Sequence[tuple[int, Key]]) -> dict[int, float]:
        """Return the distance of each pair, a vector (its place among those given, as texts) and a row, by its place.

        Rows that are gone are left out.
        """
        source = self.target.need_vectors()
        distance = f"a.{source.distance(f'given.vector::{source.type}')}"
        sql = (
            f"SELECT asked.n, {distance}\nFROM {self._asked('a')}\n"
            "JOIN unnest(%(places)s::int[]) WITH ORDINALITY AS whose(place, n) ON whose.n = asked.n\n"
            "JOIN unnest(%(vectors)s::text[]) WITH ORDINALITY AS given(vector, place) ON given.place = whose.place\n"
            f"JOIN {self._named('a')}"
        )
        found: dict[int, float] = {}
        for start in range(0, len(pairs), ASKED):
            part = pairs[start : start + ASKED]
            used = sorted({place for place, _ in part})
            number = {place: n for n, place in enumerate(used, 1)}
            params = self._lists("a", [key for _, key in part])
            params |= {"places": [number[place] for place, _ in part], "vectors": [vectors[place] for place in used]}
            found |= {start + n - 1: distance for n, distance in self.run(sql, params, _LOOKED_UP)}
        return found

    def shown(self, keys: Sequence[Key], columns: Sequence[str]) -> dict[int, tuple[Any, ...]]:
        """Return columns of the rows that are still there, by their key's place among the keys."""
        outputs = ", ".join(["asked.n", *(f"a.{ident(name)}" for name in columns)])
        sql = f"SELECT {outputs}\nFROM {self._asked('a')}\nJOIN {self._named('a')}"
        found: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(keys), ASKED):
            part = keys[start : start + ASKED]
            found |= {start + row[0] - 1: row[1:] for row in self.run(sql, self._lists("a", part), _LOOKED_UP)}
        return found

    def order(self, keys: Sequence[Key]) -> list[int]:
        """Return the places of keys in the order in which the server sorts them."""
        columns = ", ".join(f'asked."a {i}"' for i in range(len(self.target.keys)))
        return [
            n - 1 for (n,) in self.run(f"SELECT n FROM {self._asked('a')} ORDER BY {columns}", self._lists("a", keys))
        ]

    def nearest(self, k: int | None, most: float) -> str:
        """Return SQL for the rows within ``most`` of each row asked about: its place, their keys, the distance.

        Of each only the ``k`` nearest are looked at, which an index serves; without a k all are, and none does.
        """
        distance = self.target.need_vectors().distance(f'"row asked".{self._vector}')
        distance = f"({distance}) + 0" if k is None else distance
        keys = self._key_texts()
        order = "" if k is None else f"\nORDER BY {len(keys) + 1} LIMIT {k}"
        return (
            f"SELECT asked.n, {', '.join(f'near.key_{i}' for i in range(len(keys)))}, near.distance\n"
            f"FROM {self._asked('row asked')}\nJOIN {self._named('row asked')}\nCROSS JOIN LATERAL (\n"
            f"SELECT {', '.join([*keys, f'{distance} AS distance'])}\n"
            f"FROM {self.target.relation}{self._filter(self._known)}{order}\n"
            f") AS near WHERE near.distance <= {most!r}"
        )

    def about(self, keys: Sequence[Key]) -> dict[str, object]:
        """Return what is bound to ask about these rows."""
        return self._lists("row asked", keys)

    def query(self, sql: str, params: Mapping[str, object], settings: Settings = ()) -> Query:
        """Return a reading statement with the values of the conditions."""
        used = {name for condition in self.where for name in placeholders(condition)}
        return Query(sql, {name: self.params[name] for name in used} | dict(params), settings, reads=True)

    def run(self, sql: str, params: Mapping[str, object] | None = None, settings: Settings = ()) -> list[Any]:
        """Run a reading statement."""
        return self.db.run(self.query(sql, params or {}, settings)).rows

    # --- pieces of the statements ---

    @property
    def _vector(self) -> str:
        return ident(self.target.need_vectors().column.name)

    @property
    def _known(self) -> str:
        return f"{self._vector} IS NOT NULL"

    def _sent(self, vector: str) -> str:
        """The wire form of a vector: a third of its text, and read without a loop."""
        source = self.target.need_vectors()
        schema = "pg_catalog" if source.column.type == "bit" else source.extension_schema
        return f"{ident(schema) + '.' if schema else ''}{source.column.type}_send({vector})"

    def _key_texts(self) -> list[str]:
        # By names of their own: ORDER BY would take the text for the column.
        return [f"{name}::text AS key_{i}" for i, name in enumerate(self.target.keys)]

    def _types(self) -> list[str]:
        types = [_SYSTEM.get(name) or self.target.table.column(name).type for name in self.target.table.key]
        # An array of "character" would hold one character each.
        return ["bpchar" if kind == "character" else kind.replace("%", "%%") for kind in types]

    def _filter(self, *more: str) -> str:
        """The person's conditions, each in parentheses on lines of its own, and ours."""
        written = [f"(\n{bind(text, self.params.keys())}\n)" for text in self.where]
        conditions = [*more, *written]
        return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""

    def _by_key(self, outputs: list[str], rows: int, count: Count) -> Iterator[list[Any]]:
        keys = ", ".join(self.target.keys)
        last = ", ".join(f"%(last {i})s::{kind}" for i, kind in enumerate(self._types()))
        beyond: list[str] = []
        params: dict[str, object] = {}
        while True:
            where = self._filter(self._known, *beyond)
            sql = f"SELECT {', '.join(outputs)}\nFROM {self.target.relation}{where}\nORDER BY {keys} LIMIT {rows}"
            batch = self.run(sql, params)
            if batch:
                yield batch
            if len(batch) < rows:
                return
            params = {f"last {i}": text for i, text in enumerate(batch[-1][: len(self.target.keys)])}
            beyond = [f"({keys}) > ({last})"]

    def _by_place(self, outputs: list[str], rows: int, count: Count) -> Iterator[list[Any]]:
        pages = max(1, rows * (count.last_page + 1) // max(count.with_vector, 1))
        where = self._filter(self._known, "ctid >= %(from)s::tid", "ctid < %(to)s::tid")
        sql = f"SELECT {', '.join(outputs)}\nFROM {self.target.relation}{where}"
        for page in range(0, count.last_page + 1, pages):
            if batch := self.run(sql, {"from": f"({page},0)", "to": f"({page + pages},0)"}):
                yield batch

    def _asked(self, *sides: str) -> str:
        """The rows asked about, by their keys, as a table of lists."""
        names = [f'"{side} {i}"' for side in sides for i in range(len(self.target.keys))]
        lists = [f"%({side} {i})s::{kind}[]" for side in sides for i, kind in enumerate(self._types())]
        return f"unnest({', '.join(lists)}) WITH ORDINALITY AS asked({', '.join(names)}, n)"

    def _named(self, side: str) -> str:
        """The table once more, as the rows asked about of one side."""
        same = [f'"{side}".{key} = asked."{side} {i}"' for i, key in enumerate(self.target.keys)]
        return f'{self.target.relation} AS "{side}" ON {" AND ".join(same)}'

    def _lists(self, side: str, keys: Sequence[Key]) -> dict[str, object]:
        return {f"{side} {i}": [key[i] for key in keys] for i in range(len(self.target.keys))}
