"""The one SQL lexer: quotes names, finds ``:name``, doubles ``%``, and tells what a person's SQL may not contain.

It reads PostgreSQL's lexical rules with ``standard_conforming_strings`` on, which is the server's default.
"""

from .conditions import check_condition
from .identity import check_identity, check_session
from .lexer import Token, caret, tokens
from .lists import split_list
from .names import quote_ident, quote_literal, quote_qualified
from .settings import check_setting
from .statements import check_readonly, command, statements
from .variables import bind, placeholders, undefined

__all__ = [
    "Token",
    "bind",
    "caret",
    "check_condition",
    "check_identity",
    "check_readonly",
    "check_session",
    "check_setting",
    "command",
    "placeholders",
    "quote_ident",
    "quote_literal",
    "quote_qualified",
    "split_list",
    "statements",
    "tokens",
    "undefined",
]
