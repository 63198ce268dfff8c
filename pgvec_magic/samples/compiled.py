"""What compiled modules document: their text is in the binary, so these, and only these, are imported."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
import warnings
from collections.abc import Iterator

from .source import Definition, Module

# readline takes hold of the terminal; _tkinter and _curses need libraries that many machines lack.
_LEFT_OUT = re.compile(r"_?(test|xx|ctypes_test)|readline|_tkinter|_curses|_remote_debugging|idlelib")
# The first line of many docs of C and Cython: "Table.group_by(self, keys)", "add(x1, x2, /) -> int".
_OPENING = re.compile(r"(?:\w+\.)*(\w+)(\([^\n]*?\))(?: *(?:->|--)[^\n]*)?\n+")
_DESCRIPTORS = (types.GetSetDescriptorType, property, staticmethod, classmethod)
_SELF = re.compile(r"^\((?:\$?self|cls|type cls)(?:, /)?(?:, )?")


def standard_library() -> Iterator[Module]:
    """Yield the documented content of the standard library's built-in and extension modules, in order of name."""
    for name in sorted(_compiled_names(), key=lambda n: (n != "builtins", n)):
        module = _import(name)
        if module is not None:
            yield _read(module, (type, types.BuiltinFunctionType))  # not what IPython adds to builtins


def namespace(name: str) -> Module:
    """Return what a package's own namespace documents, as ``name.X``, whatever the module X was compiled in."""
    return _read(importlib.import_module(name), (object,))


def _read(module: types.ModuleType, kinds: tuple[type, ...]) -> Module:
    """Return the documented classes, functions and methods among the values of those kinds in an imported module."""
    found: list[Definition] = []
    for name, value in sorted(vars(module).items()):
        alias = getattr(value, "__name__", None) != name  # IOError is OSError: no second thing
        if isinstance(value, kinds) and not (alias or name.startswith("_") or inspect.ismodule(value)):
            found += _definitions(_module_of(value, module.__name__), name, value)
    defined = frozenset(d.qualname.partition(".")[0] for d in found)
    return Module(module.__name__, False, tuple(found), defined, {}, (), None)


def _compiled_names() -> Iterator[str]:
    import sysconfig
    from importlib.machinery import EXTENSION_SUFFIXES
    from pathlib import Path

    names = set(sys.builtin_module_names)
    for folder in {sysconfig.get_config_var("DESTSHARED"), str(Path(sys.base_prefix, "DLLs"))} - {None}:
        names |= {
            p.name.partition(".")[0] for p in Path(folder).glob("*") if p.name.endswith(tuple(EXTENSION_SUFFIXES))
        }
    return (n for n in names if n in sys.stdlib_module_names and not _LEFT_OUT.match(n))


def _import(name: str) -> types.ModuleType | None:
    """Return a compiled module of the standard library; None when a library it is linked to is missing here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are deprecated, and say so at import
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def _module_of(value: object, read_from: str) -> str:
    """Return the module of the standard library a value says it is of (deque: collections), else the one read."""
    said = getattr(value, "__module__", None) or read_from
    ours = {said.partition(".")[0], read_from.partition(".")[0]} <= sys.stdlib_module_names
    return said if ours and not said.startswith("_") and read_from != "builtins" else read_from


def _definitions(module: str, name: str, value: object) -> Iterator[Definition]:
    if not isinstance(value, type):
        yield from _definition(module, name, "function", value)
        return
    yield from _definition(module, name, "class", value)
    for base in value.__mro__:
        if base is value or base.__name__.startswith("_"):  # half of pandas.Timestamp is in _Timestamp
            for member, attribute in sorted(vars(base).items()):
                if not member.startswith("_") and _is_described(attribute):
                    yield from _definition(module, f"{name}.{member}", "method", attribute)


def _is_described(attribute: object) -> bool:
    return isinstance(attribute, _DESCRIPTORS) or (callable(attribute) and not isinstance(attribute, type))


def _definition(module: str, qualname: str, kind: str, value: object) -> Iterator[Definition]:
    value = getattr(value, "__func__", value)
    doc = getattr(value, "__doc__", None)
    if isinstance(doc, str) and doc.strip() and doc != type(value).__doc__:
        signature, text = _signature(qualname, value, inspect.cleandoc(doc))
        if text:
            yield Definition(module, qualname, kind, signature, text)


def _signature(qualname: str, value: object, doc: str) -> tuple[str, str]:
    """Return (signature, doc without the line that says it)."""
    opening = _OPENING.match(doc)
    if opening and opening[1] == qualname.rpartition(".")[2]:
        return _SELF.sub("(", opening[2]), doc[opening.end() :]
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]  # TypeError is what tells
    except (TypeError, ValueError):
        return "", doc
    kept = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    shown = str(inspect.Signature(kept))
    return re.sub(r" at 0x[0-9a-f]+", "", shown), doc  # an address would differ at each start
