"""The only package that talks to Postgres; psycopg2 is seen nowhere else."""

from .connections import close, close_all, connect, current, get, names, use
from .database import Database
from .link import Copy, Rows
from .sources import has_password

__all__ = [
    "Copy",
    "Database",
    "Rows",
    "close",
    "close_all",
    "connect",
    "current",
    "get",
    "has_password",
    "names",
    "use",
]
