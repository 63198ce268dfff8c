from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest
import yaml
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from pgvec_magic import db as dbs
from pgvec_magic import lessons
from pgvec_magic.load import load
from pgvec_magic.query import Query
from pgvec_magic.search import search

CLONE = Path(lessons.__file__).parents[2]
DOCKER = CLONE / "docker"
IMAGES = [DOCKER / "Dockerfile", DOCKER / "pgbouncer" / "Dockerfile"]
PASSWORD = 'only "a" test'
UNITS = {"kb": 2**10, "k": 2**10, "mb": 2**20, "m": 2**20, "gb": 2**30, "g": 2**30}


def compose(password: str | None) -> subprocess.CompletedProcess[str]:
    """Have compose read its file: Debian's docker-compose, old or new, needs no engine for that."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES", "COMPOSE"))}
    given = {} if password is None else {"POSTGRES_PASSWORD": password}
    return subprocess.run(
        ["docker-compose", "--file", DOCKER / "compose.yaml", "config"],
        env=environment | given,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as compose understands them."""
    if shutil.which("docker-compose") is None:
        return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"])
    done = compose(PASSWORD)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout)["services"])


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions as (word, rest), continued lines joined, comments left out."""
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def size(text: object) -> int:
    """Return bytes of ``512MB``, ``3g`` or a number."""
    number, unit = re.fullmatch(r"(\d+)([a-z]*)", str(text).lower()).groups()  # type: ignore[union-attr]
    return int(number) * UNITS.get(unit, 1)


# The compose file


@pytest.mark.needs("docker-compose")
def test_the_compose_file_is_valid_and_hands_the_password_to_nothing_but_the_three_services() -> None:
    done = compose("Zq9-a-test")
    assert done.returncode == 0, done.stderr
    places = [line.split(":")[0].strip() for line in done.stdout.splitlines() if "Zq9-a-test" in line]
    assert sorted(places) == ["PGPASSWORD", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD"]


@pytest.mark.needs("docker-compose")
@pytest.mark.parametrize("password", [None, ""])
def test_without_a_password_compose_refuses_and_says_what_to_set(password: str | None) -> None:
    done = compose(password)
    assert done.returncode != 0
    assert "POSTGRES_PASSWORD" in done.stderr
    assert "set it" in done.stderr


def test_no_port_is_open_to_the_network(services: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in services.items()}
    hosts = [
        p.get("host_ip", "every address") if isinstance(p, dict) else p.split(":")[0]
        for own in ports.values()
        for p in own
    ]
    assert hosts == ["127.0.0.1"] * 2
    assert ports["postgres"] == []
    assert not any("network_mode" in service for service in services.values())


def test_every_service_says_whether_it_is_well_and_waits_for_those_it_needs(services: dict[str, Any]) -> None:
    for name, service in services.items():
        own = service.get("build", {})
        image = CLONE / own.get("dockerfile", "") if own.get("dockerfile") else None
        in_image = image is not None and any(word == "HEALTHCHECK" for word, _ in instructions(image))
        assert "healthcheck" in service or in_image, name
        waits = service.get("depends_on", {})
        assert all(condition["condition"] == "service_healthy" for condition in waits.values()), name
    assert list(services["pgbouncer"]["depends_on"]) == ["postgres"]
    assert list(services["lab"]["depends_on"]) == ["pgbouncer"]


def test_memory_of_postgres_fits_its_container(services: dict[str, Any]) -> None:
    postgres = services["postgres"]
    given = dict(word.removeprefix("--").split("=") for word in postgres["command"][1:])
    shared_memory = size(postgres["shm_size"])
    assert shared_memory > size(given["maintenance_work_mem"]), "a parallel build takes all of it from /dev/shm"
    assert size(postgres["mem_limit"]) > size(given["shared_buffers"]) + shared_memory
    assert any(":/var/lib/postgresql:" in f"{volume}:" for volume in map(str, postgres["volumes"])), "18 and later"


def test_volumes_and_files_that_compose_names_are_there(services: dict[str, Any]) -> None:
    assert (DOCKER / "vector.sql").read_text() == "CREATE EXTENSION vector;\n"
    contexts = [DOCKER / service["build"]["context"] for service in services.values() if "build" in service]
    assert sorted(path.resolve() for path in contexts) == sorted([CLONE.resolve(), (DOCKER / "pgbouncer").resolve()])


# The images


@pytest.mark.parametrize("dockerfile", IMAGES, ids=["lab", "pgbouncer"])
def test_images_are_pinned_run_as_an_ordinary_user_and_hold_no_secret(dockerfile: Path) -> None:
    found = instructions(dockerfile)
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert all(re.fullmatch(r"[\w/.-]+:[\w.-]*\d[\w.-]*", base) for base in bases), bases
    assert [rest for word, rest in found if word == "USER"] == ["1000:1000"]
    assert [word for word, _ in found].index("USER") > max(i for i, (word, _) in enumerate(found) if word == "FROM")
    assert "ADD" not in {word for word, _ in found}
    kept = " ".join(rest for word, rest in found if word in ("ENV", "ARG", "LABEL"))
    assert not re.search(r"PASSW|TOKEN|SECRET|_KEY", kept, re.IGNORECASE)
    run_last = [i for i, (word, _) in enumerate(found) if word in ("USER", "RUN")]
    assert found[run_last[-1]][0] == "USER", "nothing is done as root behind it"


@pytest.mark.parametrize("dockerfile", IMAGES, ids=["lab", "pgbouncer"])
def test_what_an_image_copies_is_in_its_context(dockerfile: Path) -> None:
    context = CLONE if dockerfile.parent == DOCKER else dockerfile.parent
    copied = [rest.split() for word, rest in instructions(dockerfile) if word == "COPY" and "--from" not in rest]
    sources = [part for parts in copied for part in parts[:-1] if not part.startswith("--")]
    assert sources
    assert [source for source in sources if not (context / source).exists()] == []
    if context == CLONE:
        let_in = Path(f"{dockerfile}.dockerignore").read_text("utf-8").split("\n")
        assert [source for source in sources if f"!{source}" not in let_in] == []
        assert "*" in let_in


def test_the_lab_is_built_from_the_checkout_and_holds_what_the_package_needs() -> None:
    found = instructions(IMAGES[0])
    copied = " ".join(rest for word, rest in found if word == "COPY")
    assert {"pyproject.toml", "pgvec_magic", "notebooks"} <= set(copied.split())
    (install,) = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    assert install.endswith('".[lab]"')
    assert [word for word, _ in found].count("FROM") == 2
    assert any(word == "HEALTHCHECK" and "/api" in rest for word, rest in found)


@pytest.mark.parametrize("script", ["lab", "pgbouncer/run"])
def test_the_scripts_of_the_images_can_be_executed(script: str) -> None:
    assert os.access(DOCKER / script, os.X_OK)
    subprocess.run(["sh", "-n", DOCKER / script], check=True)


# PgBouncer as the image runs it


def listens(path: Path) -> bool:
    """Whether somebody takes connections there; the file alone is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


@contextmanager
def pooler(folder: Path, dsn: str) -> Iterator[str]:
    """Run ``run`` with our pgbouncer.ini, changed in nothing but where things are, and yield a DSN of its clients."""
    server = parse_dsn(dsn)
    ini = (DOCKER / "pgbouncer" / "pgbouncer.ini").read_text("utf-8")
    changes = {
        "host=postgres port=5432 dbname=lab": f"host={server['host']} port={server['port']} dbname={server['dbname']}",
        "listen_addr = 0.0.0.0": "listen_addr =",
        "unix_socket_dir =": f"unix_socket_dir = {folder}",
        "/run/pgbouncer": str(folder),
    }
    for ours, here in changes.items():
        assert ini.count(ours) == 1
        ini = ini.replace(ours, here)
    (folder / "ini").write_text(ini)
    account = os.stat(server["host"])  # it refuses to be root; the server's own account may use the server's socket
    os.chown(folder, account.st_uid, account.st_gid)
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    process = subprocess.Popen(
        [DOCKER / "pgbouncer" / "run", folder, folder / "ini"],
        env={"PATH": path, "POSTGRES_PASSWORD": PASSWORD},
        stderr=subprocess.PIPE,
        **({"user": account.st_uid, "group": account.st_gid} if os.geteuid() == 0 else {}),
    )
    try:
        deadline = time.monotonic() + 10
        while not listens(folder / ".s.PGSQL.6432"):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield psycopg2.extensions.make_dsn(host=str(folder), port=6432, dbname="lab", user="lab", password=PASSWORD)
    finally:
        dbs.close_all()
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture
def pooled(dsn: str, raw: Any, scratch: Path) -> Iterator[str]:
    if "PGVEC_TEST_DSN" in os.environ:
        pytest.skip("a role is made on the server, which a server of yours may not allow")
    folder = scratch / f"pooler-{time.monotonic_ns() % 10**9}"
    folder.mkdir()
    with raw.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE ROLE lab SUPERUSER LOGIN PASSWORD {}").format(sql.Literal(PASSWORD)))
        try:
            with pooler(folder, dsn) as address:
                yield address
        finally:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lab'")
            cursor.execute("REASSIGN OWNED BY lab TO CURRENT_USER")
            cursor.execute("DROP ROLE lab")


def letters(texts: list[str]) -> list[list[float]]:
    return [[text.count("a") + 1.0, text.count("e") + 1.0, len(text) + 1.0] for text in texts]


@pytest.mark.needs("pgbouncer")
def test_behind_the_pooler_of_the_image_loads_and_searches_work(pooled: str) -> None:
    one, two = dbs.connect(pooled, name="one"), dbs.connect(pooled, name="two")
    show = Query("SELECT pg_backend_pid(), current_setting('hnsw.ef_search', true)")
    backend = one.run(show).rows[0][0]
    assert two.run(show).rows[0][0] == backend, "two clients, one server connection: transaction mode"

    frame = pd.DataFrame({"id": range(60), "content": [f"walk a tree {'a' * i}" for i in range(60)]})
    assert load(one, "docs", frame, embedder=letters).inserted == 60
    two.run(Query("CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)"))
    found = search(one, "docs", "walk aaaa", k=50, mode="hybrid", strategy="ann")
    assert len(found) == 50
    assert "hnsw.ef_search" in found.settings
    assert two.run(show).rows[0][1] in ("40", "", None), "the search's setting is gone with its transaction"


@pytest.mark.needs("pgbouncer")
def test_the_pooler_lets_nobody_in_without_the_password(pooled: str, scratch: Path) -> None:
    written = next(Path(parse_dsn(pooled)["host"]).glob("userlist.txt"))
    assert written.stat().st_mode & 0o077 == 0
    with pytest.raises(psycopg2.OperationalError, match=r"password|SASL"):
        psycopg2.connect(psycopg2.extensions.make_dsn(pooled, password="another"))
