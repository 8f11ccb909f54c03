"""Downloads: from a real server on this machine that breaks off, refuses and answers nonsense."""

import gzip
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from census.build import fetch
from census.build.fetch import ChangedFile, Library, NotInMirror
from census.cli.build import progress
from sources import boundaries
from sources.publication import KnownFile, SourceError, SourceFile
from sources.registry import publications

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Serves what the test put into `server.answers`: path to a list of functions, one a request, the last repeated."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.path, dict(self.headers)))
        answers = self.server.answers.get(path)
        if not answers:
            return self.answer(404)
        return (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None and length != len(body):
            self.close_connection = True

    def log_message(self, *_):
        pass


def whole(request):
    wanted = request.headers.get("Range")
    if wanted and request.headers.get("If-Range") == '"v1"':
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        where = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return request.answer(206, CONTENT[start:], ETag='"v1"', Content_Range=where)
    return request.answer(200, CONTENT, ETag='"v1"')


def broken_off(request):
    request.answer(200, CONTENT[:1_500_000], length=len(CONTENT), ETag='"v1"')


def status(code):
    return lambda request: request.answer(code)


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0.01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    server.answers, server.asked = {}, []
    server.base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def file_at(publisher, path="/file.csv", **more) -> SourceFile:
    return SourceFile("made_up", ("file.csv", "old name (1).csv"), publisher.base + path, **more)


def test_a_file_is_fetched_once_and_kept_with_its_provenance(publisher, tmp_path):
    publisher.answers["/file.csv"] = [whole]
    for _ in range(2):
        obtained = Library(None, tmp_path, progress).obtain(file_at(publisher))
        assert (obtained.read(), obtained.size, obtained.sha256) == (CONTENT, len(CONTENT), DIGEST)
        assert obtained.retrieved
    assert len(publisher.asked) == 1
    note = json.loads((tmp_path / "file.csv.json").read_text())
    assert note == {
        "address": publisher.base + "/file.csv",
        "bytes": len(CONTENT),
        "sha256": DIGEST,
        "retrieved": obtained.retrieved,
    }


def test_a_download_that_breaks_off_is_resumed_where_it_stopped(publisher, tmp_path):
    publisher.answers["/file.csv"] = [broken_off, status(503), whole]
    obtained = Library(None, tmp_path, progress).obtain(file_at(publisher))
    assert obtained.sha256 == DIGEST
    ranges = [headers.get("Range") for _, headers in publisher.asked]
    assert ranges[0] is None
    assert ranges[1] == ranges[2] == "bytes=1500000-"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.csv", "file.csv.json"]


def test_another_part_than_was_asked_for_is_not_joined_on(publisher, tmp_path):
    def wrong_part(request):
        request.answer(206, CONTENT, ETag='"v1"', Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")

    publisher.answers["/file.csv"] = [broken_off, wrong_part, whole]
    assert Library(None, tmp_path, progress).obtain(file_at(publisher)).sha256 == DIGEST


def test_a_file_replaced_by_hand_has_no_date_of_download(publisher, tmp_path):
    publisher.answers["/file.csv"] = [whole]
    assert Library(None, tmp_path, progress).obtain(file_at(publisher)).retrieved
    (tmp_path / "file.csv").write_text("by hand")
    assert Library(None, tmp_path, progress).obtain(file_at(publisher)).retrieved is None


def test_a_redirect_without_end_is_named(publisher, tmp_path):
    publisher.answers["/file.csv"] = [lambda r: r.answer(302, Location=publisher.base + "/file.csv")]
    with pytest.raises(SourceError, match="redirect"):
        Library(None, tmp_path, progress).obtain(file_at(publisher))


@pytest.mark.parametrize("address", ["http://127.0.0.1:notaport", "http://[bad", "no/such/folder"])
def test_a_mirror_that_is_no_address_or_folder_is_named(address, tmp_path):
    with pytest.raises(SourceError, match=re.escape(address)):
        Library(address, tmp_path, progress)


def test_a_mirror_address_may_answer_403_or_a_page_for_what_it_has_not(publisher, tmp_path):
    page = [lambda r: r.answer(200, b"<html>", Content_Type="text/html")]
    publisher.answers["/mirror/file.csv"], publisher.answers["/mirror/file.csv.gz"] = [status(403)], page
    publisher.answers["/mirror/old name (1).csv"] = [whole]
    assert Library(publisher.base + "/mirror", tmp_path, progress).obtain(file_at(publisher)).sha256 == DIGEST


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(publisher, tmp_path):
    publisher.answers["/file.csv"] = [broken_off, lambda r: r.answer(200, b"a new edition", ETag='"v2"')]
    assert Library(None, tmp_path, progress).obtain(file_at(publisher)).read() == b"a new edition"


def test_a_server_that_stays_down_is_named_after_a_few_attempts(publisher, tmp_path):
    publisher.answers["/file.csv"] = [status(503)]
    with pytest.raises(SourceError, match=r"/file\.csv: answered 503 \(5 attempts\)"):
        Library(None, tmp_path, progress).obtain(file_at(publisher))
    assert len(publisher.asked) == fetch.ATTEMPTS


def test_a_server_that_refuses_is_not_asked_again(publisher, tmp_path):
    publisher.answers["/file.csv"] = [status(403)]
    with pytest.raises(SourceError, match="answered 403"):
        Library(None, tmp_path, progress).obtain(file_at(publisher))
    assert len(publisher.asked) == 1


def test_a_web_page_in_place_of_the_file_is_refused(publisher, tmp_path):
    publisher.answers["/file.csv"] = [lambda r: r.answer(200, b"<html>", Content_Type="text/html; charset=utf-8")]
    with pytest.raises(SourceError, match="web page"):
        Library(None, tmp_path, progress).obtain(file_at(publisher))
    assert not (tmp_path / "file.csv").exists()


def test_a_file_without_an_address_is_asked_for_by_name_and_place(tmp_path):
    file = SourceFile("made_up", ("file.csv",), None)
    with pytest.raises(SourceError, match=f"Put file.csv into {re.escape(str(tmp_path))}"):
        Library(None, tmp_path, progress).obtain(file)
    (tmp_path / "file.csv.gz").write_bytes(gzip.compress(CONTENT))
    assert Library(None, tmp_path, progress).obtain(file).sha256 == DIGEST


def test_the_pages_of_a_feature_layer_become_one_file(publisher, tmp_path):
    def page(request):
        query = parse_qs(urlsplit(request.path).query)
        start, size = int(query["resultOffset"][0]), int(query["resultRecordCount"][0])
        some = [{"properties": {"LAD24CD": n}, "geometry": None} for n in range(start, min(start + size, 250))]
        request.answer(200, json.dumps({"features": some}).encode(), Content_Type="application/geo+json")

    publisher.answers["/layer/0/query"] = [status(500), page]
    file = SourceFile("made_up", ("layer.geojson",), publisher.base + "/layer/0", page_size=100)
    features = json.loads(Library(None, tmp_path, progress).obtain(file).read())["features"]
    assert [f["properties"]["LAD24CD"] for f in features] == list(range(250))


def test_boundaries_are_asked_for_in_pages_and_go_on_where_they_broke_off(publisher, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0)
    square = {"type": "Polygon", "coordinates": [[[0, 50], [1, 50], [1, 51], [0, 50]]]}
    up = True

    def page(request):
        query = parse_qs(urlsplit(request.path).query)
        start = int(query["resultOffset"][0])
        if start and not up:
            return request.answer(503)
        assert (query["outSR"], query["f"]) == (["4326"], ["geojson"])
        # The service gives 100 whatever is asked for, and says that there are more.
        some = [
            {"type": "Feature", "properties": {"C": n}, "geometry": square} for n in range(start, min(start + 100, 250))
        ]
        told = {"features": some, "properties": {"exceededTransferLimit": start < 200}}
        return request.answer(200, json.dumps(told).encode(), Content_Type="application/geo+json")

    publisher.answers["/layer/0/query"] = [page]
    file = SourceFile("made_up", ("layer.geojson",), publisher.base + "/layer/0", page_size=2000, geometry=True)
    up = False
    with pytest.raises(SourceError, match="answered 503"):
        Library(None, tmp_path, progress).obtain(file)
    assert not (tmp_path / "layer.geojson").exists()
    up, before = True, len(publisher.asked)
    data = Library(None, tmp_path, progress).obtain(file).read()
    features = json.loads(data)["features"]
    assert [f["properties"]["C"] for f in features] == list(range(250))
    assert all(f["geometry"] == square for f in features)
    assert len(publisher.asked) - before == 2, "the first page was there"
    assert data.count(b"\n") == 252, "a feature a line, so that it is read line by line"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer.geojson", "layer.geojson.json"]


def test_a_layer_without_its_boundaries_does_not_pass_for_one_with_them(publisher, tmp_path):
    """As the names of local authorities did, which an older version kept under the name that a mirror has for both."""
    told = {"features": [{"type": "Feature", "properties": {"C": 1}, "geometry": None}]}
    publisher.answers["/names/query"] = publisher.answers["/shapes/query"] = [
        lambda r: r.answer(200, json.dumps(told).encode())
    ]
    names = SourceFile("names", ("layer.geojson",), publisher.base + "/names", page_size=100)
    shapes = SourceFile("shapes", ("shapes.geojson", "layer.geojson"), publisher.base + "/shapes", 100, geometry=True)
    assert Library(None, tmp_path, progress).obtain(names).name == "layer.geojson"
    assert Library(None, tmp_path, progress).obtain(shapes).name == "shapes.geojson"
    (tmp_path / "shapes.geojson").unlink()
    (tmp_path / "layer.geojson.json").unlink()  # put there by hand: taken
    assert Library(None, tmp_path, progress).obtain(shapes).name == "layer.geojson"


def test_a_feature_layer_that_answers_an_error_is_named(publisher, tmp_path):
    publisher.answers["/layer/0/query"] = [lambda r: r.answer(200, b'{"error": {"code": 400}}')]
    file = SourceFile("made_up", ("layer.geojson",), publisher.base + "/layer/0", page_size=100)
    with pytest.raises(SourceError, match="features"):
        Library(None, tmp_path, progress).obtain(file)


def test_a_mirror_folder_is_searched_at_any_depth_for_every_accepted_name(publisher, tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/old name (1).csv.gz").write_bytes(gzip.compress(CONTENT))
    obtained = Library(str(tmp_path), tmp_path / "cache", progress).obtain(file_at(publisher))
    assert (obtained.name, obtained.sha256, obtained.retrieved) == ("old name (1).csv", DIGEST, None)
    assert not publisher.asked


def test_a_mirror_folder_without_the_file_is_named_and_nothing_else_is_asked(publisher, tmp_path):
    with pytest.raises(SourceError, match=f"not in the mirror {re.escape(str(tmp_path))}"):
        Library(str(tmp_path), tmp_path / "cache", progress).obtain(file_at(publisher))
    assert not publisher.asked


def test_two_files_of_one_name_in_a_mirror_are_refused(publisher, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file.csv").write_text(folder)
    with pytest.raises(SourceError, match="twice"):
        Library(str(tmp_path), tmp_path / "cache", progress).obtain(file_at(publisher))


def test_a_mirror_address_is_asked_for_every_accepted_name_and_nothing_else(publisher, tmp_path):
    publisher.answers["/mirror/old name (1).csv.gz"] = [lambda r: r.answer(200, gzip.compress(CONTENT))]
    publisher.answers["/file.csv"] = [whole]  # the official address, which must not be asked
    library = Library(publisher.base + "/mirror", tmp_path, progress)
    obtained = library.obtain(file_at(publisher))
    assert (obtained.name, obtained.sha256, obtained.retrieved) == ("old name (1).csv", DIGEST, None)
    assert {urlsplit(path).path.split("/")[1] for path, _ in publisher.asked} == {"mirror"}


def test_only_a_mirror_that_has_not_the_file_is_without_it(publisher, tmp_path):
    library = Library(publisher.base + "/mirror", tmp_path, progress)
    with pytest.raises(NotInMirror, match="made_up: not in the mirror"):
        library.obtain(file_at(publisher))
    publisher.answers["/mirror/file.csv"] = [lambda r: r.answer(302, Location="/elsewhere")]
    with pytest.raises(SourceError, match="answered 302") as trouble:
        library.obtain(file_at(publisher))
    assert not isinstance(trouble.value, NotInMirror), "a mirror in trouble is not one without the file"


def test_a_mirror_address_is_not_followed_elsewhere(publisher, tmp_path):
    publisher.answers["/mirror/file.csv"] = [lambda r: r.answer(302, Location=publisher.base + "/file.csv")]
    publisher.answers["/file.csv"] = [whole]
    with pytest.raises(SourceError, match="answered 302"):
        Library(publisher.base + "/mirror", tmp_path, progress).obtain(file_at(publisher))


def test_a_damaged_gz_file_is_named(tmp_path):
    (tmp_path / "file.csv.gz").write_bytes(gzip.compress(CONTENT)[:5000])
    with pytest.raises(SourceError, match=r"file\.csv\.gz cannot be read"):
        Library(str(tmp_path), tmp_path / "cache", progress).obtain(SourceFile("made_up", ("file.csv",), None))


# Files whose SHA-256 is known

OTHER = CONTENT + b"one byte more"
REBUILT = b"a copy that others made"


def known(kind="official", name="file.csv", content=CONTENT) -> KnownFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return KnownFile((name,), sha256, len(content), kind, "A copy." if kind == "rebuilt" else "")


def put(folder, content, name="file.csv"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


def assert_refused(library: Library, file: SourceFile, expected: bytes, found: bytes) -> None:
    with pytest.raises(ChangedFile) as refused:
        library.obtain(file)
    for part in (
        "made_up",
        "file.csv",
        "--accept-changed",
        *(hashlib.sha256(c).hexdigest() for c in (expected, found)),
    ):
        assert part in str(refused.value)


def test_the_official_file_is_verified_wherever_it_comes_from(publisher, tmp_path):
    publisher.answers["/file.csv"] = publisher.answers["/mirror/file.csv"] = [whole]
    file = file_at(publisher, known=(known(),))
    put(tmp_path / "folder", gzip.compress(CONTENT), "file.csv.gz")
    put(tmp_path / "by_hand", CONTENT)
    for mirror, cache in (
        (None, "cache"),
        (None, "by_hand"),
        (str(tmp_path / "folder"), "cache"),
        (publisher.base + "/mirror", "cache"),
    ):
        obtained = Library(mirror, tmp_path / cache, progress).obtain(file)
        assert (obtained.checked, obtained.checked_note) == ("verified", "The official file, by its SHA-256.")


def test_another_file_than_the_official_one_is_refused_wherever_it_comes_from(publisher, tmp_path):
    publisher.answers["/file.csv"] = publisher.answers["/mirror/file.csv"] = [lambda r: r.answer(200, OTHER)]
    file = file_at(publisher, known=(known(),))
    put(tmp_path / "folder", OTHER)
    put(tmp_path / "by_hand", OTHER)
    for mirror, cache in (
        (None, "cache"),
        (None, "cache"),  # from its note of before
        (None, "by_hand"),
        (str(tmp_path / "folder"), "cache"),
        (publisher.base + "/mirror", "cache"),
    ):
        assert_refused(Library(mirror, tmp_path / cache, progress), file, CONTENT, OTHER)
        obtained = Library(mirror, tmp_path / cache, progress, accept_changed={"made_up"}).obtain(file)
        assert obtained.checked == "changed"
        assert DIGEST in obtained.checked_note


def test_a_known_copy_is_said_to_be_one_and_another_is_refused(publisher, tmp_path):
    file = file_at(publisher, known=(known(), known("rebuilt", content=REBUILT)))
    library = Library(str(put(tmp_path / "folder", REBUILT)), tmp_path, progress)
    obtained = library.obtain(file)
    assert (obtained.checked, obtained.checked_note) == ("rebuilt", "A copy.")
    put(tmp_path / "folder", OTHER)
    assert_refused(library, file, REBUILT, OTHER)


def test_of_the_publishers_file_no_checksum_is_known_where_only_copies_are(publisher, tmp_path):
    publisher.answers["/file.csv"] = [whole]
    file = file_at(publisher, known=(known("rebuilt", content=REBUILT),))
    for _ in range(2):
        obtained = Library(None, tmp_path / "cache", progress).obtain(file)
        assert (obtained.checked, bool(obtained.retrieved)) == ("unknown", True)
        assert "No checksum known" in obtained.checked_note
    put(tmp_path / "cache", OTHER)
    assert_refused(Library(None, tmp_path / "cache", progress), file, REBUILT, OTHER)


def test_no_checksum_is_known_of_another_name_but_its_content_may_be(publisher, tmp_path):
    file = file_at(publisher, known=(known(),))
    library = Library(str(put(tmp_path / "folder", OTHER, "old name (1).csv")), tmp_path, progress)
    obtained = library.obtain(file)
    assert (obtained.checked, obtained.checked_note) == ("unknown", "No checksum known for old name (1).csv.")
    put(tmp_path / "folder", CONTENT, "old name (1).csv")
    assert library.obtain(file).checked == "verified"


def test_no_checksum_is_known_of_a_feature_layer_and_it_is_said_why(publisher, tmp_path):
    answer = json.dumps({"features": [{"properties": {"C": 1}}]}).encode()
    publisher.answers["/layer/0/query"] = [lambda r: r.answer(200, answer)]
    copy = known("rebuilt", "layer.csv", REBUILT)
    names = ("layer.csv", "layer.geojson")
    file = SourceFile("made_up", names, publisher.base + "/layer/0", 100, served_as=names[1], known=(copy,))
    obtained = Library(None, tmp_path, progress).obtain(file)
    assert obtained.checked == "unknown"
    assert "in pages" in obtained.checked_note


def test_every_known_file_has_an_accepted_name_and_a_copy_says_what_it_is():
    sources_files = [file for publication in publications() for file in publication.files]
    for file in (*sources_files, *(published.file for published in boundaries.PUBLISHED)):
        assert len({known.sha256 for known in file.known}) == len(file.known)
        for copy in file.known:
            assert copy.names
            assert set(copy.names) <= set(file.names)
            assert re.fullmatch("[0-9a-f]{64}", copy.sha256)
            assert copy.size > 500
            assert (copy.kind == "rebuilt") is bool(copy.note)
    [official] = [k for file in sources_files if file.id == "england_2025" for k in file.known if k.kind == "official"]
    assert (official.sha256[:8], official.size) == ("b1b716aa", 9_897_666)
