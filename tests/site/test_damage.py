"""A damaged census.db is neither served nor read: one bit is enough."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest

from census.schema.verify import Damaged, verify
from census.web.middleware import same_file
from census.web.state import Site
from tests.conftest import ROOT, datasette_of, site_of


@pytest.fixture
def copy(extract_db, tmp_path) -> Path:
    """A folder to serve, with a census.db of its own and the inspect-data.json that fits."""
    return site_of(extract_db, tmp_path)


def flip(database: Path) -> None:
    """Flips bits of the rank of Buckingham Palace's LSOA in the file, as a bad disk would."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update imd_england_2025 set imd_rank = imd_rank + 4 where area_code = 'E01004736'")
        connection.commit()


def flip_without_sqlite(database: Path) -> None:
    """Flips one bit in a name in the file."""
    data = bytearray(database.read_bytes())
    data[data.rindex(b"Westminster 018C")] ^= 1
    database.write_bytes(data)


DAMAGES = {
    "a rank": flip,
    "a bit": flip_without_sqlite,
    "cut short": lambda database: database.write_bytes(database.read_bytes()[: -(1 << 16)]),
    "a page of zeros": lambda database: database.write_bytes(
        database.read_bytes()[: 1 << 20] + bytes(4096) + database.read_bytes()[(1 << 20) + 4096 :]
    ),
    "empty": lambda database: database.write_bytes(b""),
}


@pytest.mark.parametrize("described", [True, False], ids=["with inspect-data.json", "without"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_not_served(copy, damage, described):
    DAMAGES[damage](copy / "census.db")
    if not described:
        (copy / "inspect-data.json").unlink()
    with pytest.raises(click.ClickException) as refused:
        asyncio.run(datasette_of(copy).invoke_startup())
    assert "census.db" in refused.value.message
    assert "build" in refused.value.message.lower()


def test_a_damaged_database_ends_the_command_with_an_error(copy):
    flip(copy / "census.db")
    done = subprocess.run(
        [Path(sys.executable).with_name("datasette"), copy, "--get", "/-/ready"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "census.db is not as it was built" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("described", [True, False], ids=["with inspect-data.json", "without"])
def test_a_whole_one_is_served(copy, described):
    if not described:
        (copy / "inspect-data.json").unlink()
    site = datasette_of(copy)
    assert asyncio.run(site.client.get("/-/ready")).json()["ready"] is True


@pytest.mark.parametrize("damage", DAMAGES)
def test_verify_says_which_file_and_what_to_do(copy, damage):
    verify(copy / "census.db")
    DAMAGES[damage](copy / "census.db")
    with pytest.raises(Damaged, match=r"is not as it was built|is damaged"):
        verify(copy / "census.db")


def test_a_description_of_another_build_is_no_damage(copy):
    described = json.loads((copy / "inspect-data.json").read_text())
    for broken in ("{", "[]", json.dumps({"census": {"hash": "0" * 64, "size": described["census"]["size"]}})):
        (copy / "inspect-data.json").write_text(broken)
        verify(copy / "census.db")


def test_a_file_that_is_changed_while_it_is_served_is_not_ready(copy):
    site = datasette_of(copy)

    async def ready() -> dict:
        return (await site.client.get("/-/ready")).json()

    assert asyncio.run(ready())["ready"] is True
    flip(copy / "census.db")
    told = asyncio.run(ready())
    assert told["ready"] is False
    assert "changed" in told["reason"]


def put_another(database: Path) -> None:
    """Puts an altered copy in the place of the file, under the digest of the true one."""
    other = database.with_name("other.db")
    other.write_bytes(database.read_bytes())
    flip(other)
    other.replace(database)


@pytest.mark.parametrize("change", [flip, put_another, flip_without_sqlite])
def test_no_figure_comes_from_a_file_that_was_not_verified(copy, change):
    site = datasette_of(copy)
    paths = [
        "/",
        "/area/E01004736",
        "/api/v1/areas/E01004736",
        "/census/soas_2001.json?_size=1",
        "/tiles/uk_latest.json",
    ]
    paths += [
        "/census/imd_by_postcode.json?postcode=SW1A1AA",
        "/census.json?sql=select+1",
        "/census.db",
        "/download.json",
    ]
    paths += ["/deprivation/v2/green_space/", "/graphql?query={__typename}"]

    def statuses(method: str = "get") -> list[int]:
        return [asyncio.run(getattr(site.client, method)(path)).status_code for path in paths]

    assert set(statuses()) == {200}
    change(copy / "census.db")
    assert set(statuses()) == {503}
    assert set(statuses("head")) == {503}
    answer = asyncio.run(site.client.get("/area/E01004736", headers={"if-none-match": "*"}))
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert "restart the server" in answer.json()["error"]
    assert "etag" not in answer.headers
    assert asyncio.run(site.client.get("/-/health")).status_code == 200
    assert asyncio.run(site.client.get("/-/ready")).status_code == 503


def test_what_is_replaced_while_it_is_read_is_not_answered(copy):
    site = datasette_of(copy)
    asyncio.run(site.invoke_startup())

    async def app(_scope, _receive, send):
        put_another(copy / "census.db")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"figures"})

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(same_file.same_file(Site.of(site))(app)({"type": "http", "path": "/area/x"}, None, send))
    assert [message.get("status") for message in sent] == [503, None]
    assert b"figures" not in sent[1]["body"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_append_reads_no_damaged_database(copy, tmp_path, damage):
    patients = tmp_path / "patients.csv"
    patients.write_text("postcode\nSW1A 1AA\n")

    def append() -> subprocess.CompletedProcess:
        command = [sys.executable, ROOT / "append.py", patients, "-o", tmp_path / "out.csv"]
        command += ["--database", copy / "census.db", "--force"]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=tmp_path)

    done = append()
    assert done.returncode == 0, done.stderr
    DAMAGES[damage](copy / "census.db")
    refused = append()
    assert refused.returncode != 0
    assert "census.db" in refused.stderr
    assert "SW1A" not in refused.stderr
    assert "Traceback" not in refused.stderr
