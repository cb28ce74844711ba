"""/api/openapi.json against the server: every operation and parameter is called, every answer and live frame validated."""

import itertools
import json

import jsonschema
import pytest

from tests.support.accounts import Accounts, log_in, session
from tests.support.fake_agent import FakeAgent
from tests.support.processes import ROOT, quote
from tests.support.waiting import wait_until

DOCUMENT = json.loads((ROOT / "llama" / "outputs" / "openapi.json").read_text())
OPERATIONS = [(method, path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"]
LISTS = [path for method, path in OPERATIONS if method == "get" and path.startswith("/api/cluster/") and "{" not in path
         and not path.endswith("/live")]


def resolve(part: dict) -> dict:
    """Where a reference leads."""
    while "$ref" in part:
        where = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            where = where[step]
        part = where
    return part


def conforms(schema: dict, value: object, what: str) -> None:
    validator = jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    problems = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in validator.iter_errors(value)]
    assert not problems, f"{what}: {problems}"


def check(method: str, path: str, answer) -> None:
    """The answer is one that the document knows, in status, type and body."""
    what = f"{method} {path} → {answer.status}"
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(answer.status) in responses, f"{what} is not in the document"
    response = resolve(responses[str(answer.status)])
    for content_type, media in response.get("content", {}).items():
        assert answer.headers["content-type"].split(";")[0] == content_type, what
        value = answer.json if content_type == "application/json" else answer.body.decode()
        conforms(media["schema"], value, what)
    if "content" not in response:
        assert answer.body == b"", what


def parameters(method: str, path: str) -> list[dict]:
    item = DOCUMENT["paths"][path]
    return [resolve(p) for p in item.get("parameters", []) + item[method].get("parameters", []) if resolve(p)["in"] == "query"]


def call(http, method: str, path: str, **params: object):
    return http.request(method.upper(), path.replace("{name}", quote("pi-a")), body=b"" if method == "post" else None, **params)


@pytest.fixture(scope="module")
def crowd(still):
    """The two nodes that stand still, and one that is gone."""
    FakeAgent(still.stack.mqtt, "gone", interval_s=3600).come_alive().status("offline", reason="stopped")
    still.llamad.wait_node("gone", "unreachable")
    return still


def test_document_is_openapi_and_served_as_it_is(crowd):
    answer = crowd.http.get("/api/openapi.json")
    assert answer.body == (ROOT / "llama" / "outputs" / "openapi.json").read_bytes()
    assert DOCUMENT["openapi"].startswith("3.1.")
    ids = [DOCUMENT["paths"][path][method]["operationId"] for method, path in OPERATIONS]
    assert len(set(ids)) == len(ids)
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in json.dumps(DOCUMENT) or name == "LiveFrame", f"{name} is used nowhere"

    def references(part):
        if isinstance(part, dict):
            if "$ref" in part:
                resolve(part)
            part = list(part.values())
        for one in part if isinstance(part, list) else []:
            references(one)
    references(DOCUMENT)


@pytest.mark.parametrize("method, path", [one for one in OPERATIONS if one[0] == "get"])
def test_every_address_answers_as_described(crowd, method, path):
    check(method, path, call(crowd.http, method, path))
    for headers, status in (({"Origin": "http://foreign.example"}, 403), ({"Host": "foreign.example"}, 421),
                            ({"Host": "127.0.0.1", "Transfer-Encoding": "chunked"}, 400)):
        refused = crowd.http.get(path.replace("{name}", "pi-a"), headers)
        assert refused.status == status, refused.body
        check(method, path, refused)


@pytest.mark.parametrize("path, name", [(path, p["name"]) for method, path in OPERATIONS if method == "get"
                                        for p in parameters("get", path)])
def test_every_parameter_does_what_its_schema_allows(crowd, path, name):
    parameter = next(p for p in parameters("get", path) if p["name"] == name)
    value = parameter.get("example", parameter["schema"].get("enum", ["pi-a/system:cpu_temp"])[0])
    conforms(parameter["schema"], value if parameter["schema"]["type"] != "array" or isinstance(value, list) else [value], name)
    if path.endswith("/history") and name in ("minutes", "points", "node"):
        answer = call(crowd.http, "get", path, source="system:cpu_temp", **{name: value})
    else:
        answer = call(crowd.http, "get", path, **{name: value})
    assert answer.status == (426 if path.endswith("/live") else 200), answer.body
    check("get", path, answer)
    schema = parameter["schema"]
    for bad in bad_values(schema):
        answer = call(crowd.http, "get", path, source="system:cpu_temp", **{name: bad})
        if not path.endswith("/live"):
            assert answer.status == 400, f"{name}={bad} of {path}: {answer.status}"
        check("get", path, answer)


def bad_values(schema: dict) -> list[object]:
    if schema["type"] not in ("integer", "number"):
        return []
    bad: list[object] = ["x", -1]
    if "maximum" in schema:
        bad.append(schema["maximum"] + 1)
    return bad


@pytest.mark.parametrize("path", LISTS)
def test_unknown_nodes_and_known_etags_answer_as_described(crowd, path):
    unknown = crowd.http.get(path, node="nobody", source="a:b")
    assert unknown.status == 404
    check("get", path, unknown)
    responses = DOCUMENT["paths"][path]["get"]["responses"]
    first = crowd.http.get(path, source="system:cpu_temp")
    assert ("etag" in first.headers) == ("304" in responses)
    if "304" in responses:
        again = crowd.http.get(path, {"If-None-Match": first.headers["etag"]}, source="system:cpu_temp")
        assert again.status == 304
        check("get", path, again)


def test_forms_of_one_address_answer_as_described(crowd):
    for path, params in (
            ("/api/cluster/history", {"node": "pi-a", "source": "system:cpu_temp"}),
            ("/api/cluster/history", {"node": "pi-a", "source": "no:such"}),
            ("/api/cluster/history", {"series": ["pi-a/system:cpu_temp", "nobody/a:b"]}),
            ("/api/cluster/readings", {"group": "source", "node": ["pi-a", "gone"]}),
            ("/api/cluster/observations", {"hours": 0, "limit": 1000}), ("/api/cluster/memories", {"limit": 1000})):
        check("get", path, crowd.http.get(path, **params))
    for name, method in itertools.product(("nobody", "gone", "%FF"), ("get", "delete")):
        check(method, "/api/cluster/nodes/{name}", crowd.http.request(method.upper(), f"/api/cluster/nodes/{name}"))


def test_deep_answers_as_described_until_it_is_limited(crowd):
    statuses = set()
    for number in range(8):
        path = ("/api/cluster/observations", "/api/cluster/memories")[number % 2]
        answer = crowd.http.get(path, deep=1, query=f"question {number}")
        check("get", path, answer)
        statuses.add(answer.status)
    assert 200 in statuses
    head = crowd.http.request("HEAD", "/api/cluster/memories?deep=1")
    assert str(head.status) in DOCUMENT["paths"]["/api/cluster/memories"]["get"]["responses"]


def test_methods_that_a_path_lacks_are_405(crowd):
    for path, item in DOCUMENT["paths"].items():
        for method in {"get", "post", "delete", "put"} - set(item):
            answer = call(crowd.http, method, path, **({"confirm": "pi-a"} if method == "delete" else {}))
            assert answer.status == 405, f"{method} {path}: {answer.status}"
            conforms(DOCUMENT["components"]["schemas"]["Error"], answer.json, path)
            listed = {one.strip().lower() for one in answer.headers["allow"].split(",")} - {"head"}
            assert listed == set(item) - {"parameters"}, path


def test_what_changes_nodes_answers_as_described(stack):
    node = stack.node("kitchen")
    llamad = stack.llamad({"cluster": {"manual_nodes": [{"name": "kit", "url": node.url}]}})
    fake = FakeAgent(stack.mqtt, "pi-a", interval_s=3600)
    fake.come_alive({"system:cpu_temp": 1})
    llamad.wait_node("pi-a", "online")
    llamad.wait_node("kit", "online")
    live, parts = stack.live(llamad), stack.live(llamad, "?parts=1")
    live.snapshot()
    for path in ("/api/cluster/nodes/kit", "/api/cluster/nodes/pi-a"):
        check("get", "/api/cluster/nodes/{name}", llamad.http.get(path))
    check("get", "/api/cluster/observations", llamad.http.get("/api/cluster/observations?deep=1&query=a"))
    for method, path, params, status in (
            ("post", "/api/cluster/nodes/{name}/refresh", {}, 202), ("delete", "/api/cluster/nodes/{name}", {}, 400),
            ("delete", "/api/cluster/nodes/{name}", {"confirm": "pi-a"}, 204),
            ("delete", "/api/cluster/nodes/{name}", {"confirm": "kit"}, 409)):
        name = params.get("confirm", "pi-a")
        answer = llamad.http.request(method.upper(), path.replace("{name}", name), body=b"" if method == "post" else None, **params)
        assert answer.status == status, answer.body
        check(method, path, answer)
    live.wait_frame(lambda frame: "pi-a" in frame.get("removed", {}).get("nodes", []), what="the removal")
    fake.session = "another"
    fake.come_alive({"system:cpu_temp": 1, "gpio:1": True})
    fake.readings({"system:cpu_temp": 2})
    live.wait_frame(lambda frame: frame.get("removed", {}).get("readings"), what="a reading that went")
    wait_until(lambda: parts.frames, 5, "frames of the other session")
    check("get", "/api/cluster/events", llamad.http.get("/api/cluster/events"))
    assert {frame["type"] for frame in live.frames} == {"snapshot", "delta"}
    for frame in [*live.frames, *parts.frames]:
        conforms(DOCUMENT["components"]["schemas"]["LiveFrame"], frame, f"live {frame['type']}")


def test_parts_of_a_large_snapshot_answer_as_described(stack):
    llamad = stack.llamad()
    for name in ("large", "later"):
        fake = FakeAgent(stack.mqtt, name, interval_s=3600)
        fake.come_alive({f"text:number_{n:04d}": "x" * 200 for n in range(1000)})
    fake.report("observations", json.dumps({"observations": [
        {"id": n, "timestamp": "2026-11-23T08:00:00", "text": "y" * 200} for n in range(300)]}).encode())
    wait_until(lambda: llamad.get("/api/cluster/observations", limit=1)["count"] == 1 and len(llamad.said_stats()) == 2, 5,
               "all content is in")
    live = stack.live(llamad, "?parts=1")
    live.wait_frame(lambda frame: frame.get("more") is False, what="the last part")
    frames = list(live.frames)
    assert [frame["type"] for frame in frames][:2] == ["snapshot", "part"] and len(frames) > 2
    assert any(frame.get("observations") for frame in frames) and all(
        any(frame["type"] == "part" and frame.get(key) for frame in frames) for key in ("nodes", "readings", "stats"))
    for frame in frames:
        conforms(DOCUMENT["components"]["schemas"]["LiveFrame"], frame, f"live {frame['type']}")


def test_logins_answer_as_described(stack):
    accounts = Accounts(stack.folder / "accounts").user("rita", "--read")
    llamad = stack.llamad({"http": accounts.http}, broker_port=1)
    for path, item in DOCUMENT["paths"].items():
        for method in set(item) - {"parameters"}:
            answer = call(llamad.http, method, path)
            expected = {"/api/health": 200}.get(path, 401)
            assert answer.status == expected or path == "/api/session", f"{method} {path}: {answer.status}"
            check(method, path, answer)
    rita = session(llamad.http, "rita")
    check("get", "/api/session", llamad.http.get("/api/session", rita))
    for method, path in (("post", "/api/cluster/nodes/pi-a/refresh"), ("delete", "/api/cluster/nodes/pi-a")):
        answer = llamad.http.request(method.upper(), path, rita, body=b"")
        assert answer.status == 403
        check(method, path.replace("pi-a", "{name}"), answer)
    statuses = set()
    for number in range(8):
        answer = log_in(llamad.http, "rita", f"wrong {number}")
        check("post", "/api/session", answer)
        statuses.add(answer.status)
    assert statuses == {401, 429} and int(answer.headers["retry-after"]) >= 1
    check("delete", "/api/session", llamad.http.request("DELETE", "/api/session", rita))


def test_health_in_every_condition_answers_as_described(stack):
    llamad = stack.llamad({"cluster": {"publish": False}})
    check("get", "/api/health", llamad.http.get("/api/health"))
    check("get", "/api/cluster/nodes", llamad.http.get("/api/cluster/nodes"))
