"""What a Python file documents and re-exports, read from its text; nothing is imported."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_Def = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Definition:
    """A documented class, function or method where it is defined; ``doc`` is clean of indentation."""

    module: str
    qualname: str
    kind: str
    signature: str
    doc: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module's documented definitions, and how names reach it.

    ``defined`` are its top-level names, ``imports`` maps a name to (module, name there), ``stars`` are the modules it
    imports ``*`` from, ``exported`` is a literal ``__all__`` or None.
    """

    name: str
    is_package: bool
    definitions: tuple[Definition, ...]
    defined: frozenset[str]
    imports: Mapping[str, tuple[str, str]]
    stars: tuple[str, ...]
    exported: frozenset[str] | None


def read(source: bytes, name: str, is_package: bool) -> Module:
    """Return what the source of module ``name`` documents; SyntaxError or ValueError when it is not Python."""
    body = ast.parse(source).body
    if not is_package:  # there such imports hand out nothing; in a package they tell what a lazy __getattr__ hands out
        body = [node for node in body if not _for_types_only(node)]
    statements = list(_statements(body))
    froms = [node for node in statements if isinstance(node, ast.ImportFrom)]
    origins = {id(node): _origin(node, name, is_package) for node in froms}
    return Module(
        name,
        is_package,
        tuple(_documented(statements, name, "")),
        frozenset(node.name for node in statements if isinstance(node, _Def)),
        {
            alias.name: (origins[id(node)], alias.name)
            for node in froms
            for alias in node.names
            if alias.asname in (None, alias.name) and alias.name != "*"
        },
        tuple(origins[id(node)] for node in froms if node.names[0].name == "*"),
        _literal_all(statements),
    )


def _for_types_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements in order, with those inside ``if``, ``try`` and ``with``: what may run at import."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _statements(node.body)
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _statements(handler.body)
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node.orelse)


def _origin(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    """Return the absolute name of the module a ``from … import`` takes from."""
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    keep = len(parts) - node.level + (1 if is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _literal_all(statements: Iterable[ast.stmt]) -> frozenset[str] | None:
    for node in statements:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            if not isinstance(node.value, ast.List | ast.Tuple):
                return None
            return frozenset(
                e.value for e in node.value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)
            )
    return None


def _documented(statements: Iterable[ast.stmt], module: str, inside: str) -> Iterator[Definition]:
    for node in statements:
        if not isinstance(node, _Def) or node.name.startswith("_"):
            continue
        qualname = f"{inside}{node.name}"
        doc = ast.get_docstring(node, clean=False)
        if doc and doc.strip():
            yield Definition(module, qualname, _kind(node, inside), _signature(node), inspect.cleandoc(doc))
        if isinstance(node, ast.ClassDef):
            yield from _documented(_statements(node.body), module, f"{qualname}.")


def _kind(node: _Def, inside: str) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    return "method" if inside else "function"


def _signature(node: _Def) -> str:
    """Return ``(a, b=1, *, c=2)`` without annotations and without self or cls; empty for what is not called."""
    if isinstance(node, ast.ClassDef):
        makers = {n.name: n for n in _statements(node.body) if isinstance(n, _Function)}
        maker = makers.get("__init__") or makers.get("__new__")
        return _arguments(maker.args) if maker else ""
    decorators = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list}
    return "" if decorators & {"property", "cached_property", "cache_readonly"} else _arguments(node.args)


def _arguments(args: ast.arguments) -> str:
    ordered = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [*[None] * (len(ordered) - len(args.defaults)), *args.defaults]
    shown = [_argument(a, d) for a, d in zip(ordered, defaults, strict=True)]
    if args.posonlyargs:
        shown.insert(len(args.posonlyargs), "/")
    if ordered and ordered[0].arg in ("self", "cls"):
        del shown[: 2 if len(args.posonlyargs) == 1 else 1]
    if args.vararg:
        shown.append(f"*{args.vararg.arg}")
    elif args.kwonlyargs:
        shown.append("*")
    shown += [_argument(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg:
        shown.append(f"**{args.kwarg.arg}")
    return f"({', '.join(shown)})"


def _argument(arg: ast.arg, default: ast.expr | None) -> str:
    return arg.arg if default is None else f"{arg.arg}={ast.unparse(default)}"
