"""The dashboard's files as they are sent: packed for who takes that, and no more often than they change."""

import gzip

import pytest


@pytest.fixture(scope="module")
def http(module_stack):
    """A folder with a large script, a small one, and what must not be served."""
    web = module_stack.folder / "pages"
    web.mkdir()
    (web / "index.html").write_text("<!doctype html><title>x</title>\n" + "<p>text</p>\n" * 500)
    (web / "small.js").write_text("1\n")
    (web / ".hidden").write_text("secret")
    (web / "link.html").symlink_to("/etc/passwd")
    (web / "folder").symlink_to("/etc")
    return module_stack.llamad(env={"LLAMAD_WEB_DIR": str(web)}, broker_port=1).http


def test_packed_and_plain_are_the_same(http):
    plain = http.get("/", {})
    packed = http.get("/", {"Accept-Encoding": "gzip, deflate, br"})
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 5
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["content-type"] == packed.headers["content-type"]
    assert http.request("HEAD", "/", {"Accept-Encoding": "gzip"}).headers["content-length"] == str(len(packed.body))


def test_each_form_has_its_own_etag(http):
    plain, packed = http.get("/", {}), http.get("/", {"Accept-Encoding": "gzip"})
    assert plain.headers["etag"] != packed.headers["etag"]
    for answer, headers in ((plain, {}), (packed, {"Accept-Encoding": "gzip"})):
        again = http.get("/", {**headers, "If-None-Match": answer.headers["etag"]})
        assert again.status == 304 and again.body == b"" and again.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in again.headers
    assert http.get("/", {"If-None-Match": packed.headers["etag"]}).status == 200


def test_who_refuses_gzip_and_what_is_small_is_sent_plain(http):
    for path, accepted in (("/", "gzip;q=0"), ("/", "br"), ("/small.js", "gzip")):
        assert "content-encoding" not in http.get(path, {"Accept-Encoding": accepted}).headers
    assert "vary" not in http.get("/small.js", {"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("path", ["/link.html", "/folder/passwd", "/folder/", "/.hidden", "/%2ehidden", "/folder", "/small.js/", "/small.js%00.html",
                                  "/..;/etc/passwd", "/....//etc/passwd", "/%252e%252e/etc/passwd", "/\\..\\..\\etc\\passwd"])
def test_links_and_hidden_files_are_not_there(http, path):
    for _ in range(2):
        answer = http.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("latin-1"))
        assert b"root:" not in answer and b"secret" not in answer
        assert not answer or int(answer.split()[1]) in (400, 404)
