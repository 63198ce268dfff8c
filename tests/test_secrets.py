"""A known password and a known key, used in every legitimate way in a real kernel, then looked for everywhere."""

from __future__ import annotations

import base64
import http.server
import os
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter
from psycopg2.extensions import connection, make_dsn, parse_dsn

PASSWORD = "Wellensittich&42:x"
KEY = "sk-Zeisig0123456789abcdef"
# As it stands in a URL, in a dict's repr, in base64 of either: what a log or a cache may make of it.
SHAPES = {
    shape
    for secret in (PASSWORD, KEY)
    for shape in (
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("=")[:-2],
    )
}


@pytest.fixture
def login(dsn: str, raw: connection) -> Iterator[str]:
    """The DSN of a role with that password, without the password."""
    parts, role = parse_dsn(dsn), f"pgvec_secret_{os.getpid()}"
    with raw.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON SCHEMA public TO {role}")
    yield make_dsn(host=parts["host"], port=parts.get("port", "5432"), dbname=parts["dbname"], user=role)
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])
        cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


class _Refusing(http.server.BaseHTTPRequestHandler):
    """An endpoint that refuses the key and repeats it, as some do."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = f'{{"error": {{"message": "wrong key: {self.headers["Authorization"]}"}}}}'.encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


# Each way to give a password, then what people do and what goes wrong. A cell that starts with # fails is to fail.
CELLS = """
import logging, pathlib
logging.basicConfig(level=logging.DEBUG, filename="debug.log", force=True)
%load_ext pgvec_magic
---
%vconnect --name from-the-environment
---
import os
os.environ["DATABASE_URL"] = os.environ.pop("PGVEC_DSN")
%vconnect --name from-database-url
---
url = os.environ.pop("DATABASE_URL")
%vconnect :url --name from-a-variable
---
import pgvec_magic as pv
first = pv.connect(url, name="from-python")
first, vars(first).keys(), repr(first), first.place
---
%vconnect "service=secret" --name from-a-service
---
os.environ["PGPASSFILE"] = os.path.abspath("passwords")
%vconnect {login} --name from-a-password-file
---
os.environ["PGPASSWORD"] = os.environ["THE_PASSWORD"]
%vconnect {login} --name from-pgpassword
---
del os.environ["PGPASSWORD"]
rows = [{{"id": n, "content": f"text number {{n}}"}} for n in range(30)]
%vload docs :rows
---
%vsearch docs --mode hybrid text number
---
%vconnect --list
---
%vtables
---
# fails
%vconnect {wrong} --name refused
---
# fails
wrong = url + "_wrong"
%vconnect :wrong
---
# fails
bad = "postgresql://ada:" + os.environ["THE_PASSWORD"] + "@/@/x"
%vconnect :bad
---
# fails
%%vsql
SELECT 1 / 0
---
# fails
%%vsql
SELECT pg_terminate_backend(pg_backend_pid())
---
# fails
%xmode Verbose
pv.current().run(None)
---
# fails
pv.load(pv.current(), "more", [{{"id": 1, "content": "x"}}], embedder="openai:text-embedding-3-small")
---
from pgvec_magic import embed
model = embed.get("openai:text-embedding-3-small")
model, vars(model), model.name
---
%unload_ext pgvec_magic
"""


def notebook(login: str, wrong: str) -> Any:
    sources = [cell.strip() for cell in CELLS.format(login=f'"{login}"', wrong=f'"{wrong}"').split("---\n")]
    cells = [nbformat.v4.new_code_cell(source.removeprefix("# fails\n")) for source in sources]
    for cell, source in zip(cells, sources, strict=True):
        cell.metadata["tags"] = ["raises-exception"] if source.startswith("# fails") else []
    return nbformat.v4.new_notebook(cells=cells)


def test_a_password_and_a_key_are_nowhere_to_be_seen(
    login: str, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    parts = parse_dsn(login)
    user, place, database = parts["user"], urllib.parse.quote(parts["host"], safe=""), parts["dbname"]
    secret = urllib.parse.quote(PASSWORD, safe="")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PGVEC_HOME", str(home / "pgvec"))
    monkeypatch.setenv("PGVEC_DSN", f"postgresql://{user}:{secret}@{place}:{parts['port']}/{database}")
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
    service = [f"{key}={value}" for key, value in parts.items()]
    (tmp_path / "services").write_text("\n".join(["[secret]", *service, f"password={PASSWORD}"]))
    passwords = work / "passwords"
    passwords.write_text(f"*:*:*:*:{PASSWORD.replace(':', chr(92) + ':')}\n")
    passwords.chmod(0o600)
    book = notebook(login, make_dsn(login, dbname="nowhere"))
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(work)}}).execute()
    passwords.unlink()
    _check_what_failed(book)
    nbformat.write(book, work / "saved.ipynb")
    (work / "saved.html").write_text(HTMLExporter().from_notebook_node(book)[0])
    files = [path for folder in (home, work) for path in folder.rglob("*") if path.is_file()]
    assert work / "debug.log" in files
    for path in files:
        content = path.read_bytes()
        assert [shape for shape in SHAPES if shape.encode() in content] == [], path


def _check_what_failed(book: Any) -> None:
    """Each cell that was to fail did so in one line of ours, which says something; no other failed."""
    for cell in book.cells:
        failures = [output for output in cell.outputs if output.output_type == "error"]
        assert bool(failures) == bool(cell.metadata["tags"]), cell.source
