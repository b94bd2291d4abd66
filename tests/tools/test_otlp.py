# SPDX-License-Identifier: BSD-2-Clause
"""OTLP/JSON read back with OpenTelemetry's own classes. tests/golden/spans.json is what the unit test test_otlp_json writes,
byte for byte, so what holds for the file holds for the exporter."""
import base64
import json
import re

import pytest

from gs import ROOT

trace_pb2 = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2", reason="no opentelemetry-proto: tools/py-env")
json_format = pytest.importorskip("google.protobuf.json_format", reason="no protobuf: tools/py-env")

IDS = ("traceId", "spanId", "parentSpanId")
NAMES = ROOT / "user/export/names.c"
KINDS = {"gc.cycle", "gc.pause", "gc.mark", "cpu.throttle", "cpu.runq", "tcp.connect", "dns.query"}
LONGEST_NS = 3600 * 10**9


def to_base64(value):
    """OTLP/JSON has ids in hexadecimal where protobuf's JSON has base64: the only difference a reader must undo."""
    if isinstance(value, list):
        return [to_base64(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in IDS else to_base64(v) for k, v in value.items()}


def parse(text):
    """One TracesData a line. Unknown fields are an error of json_format."""
    return [json_format.ParseDict(to_base64(json.loads(line)), trace_pb2.TracesData()) for line in text.splitlines()]


@pytest.fixture(scope="module")
def data():
    return parse((ROOT / "tests/golden/spans.json").read_text())


@pytest.fixture(scope="module")
def resources(data):
    return [r for d in data for r in d.resource_spans]


@pytest.fixture(scope="module")
def spans(resources):
    return [s for r in resources for scope in r.scope_spans for s in scope.spans]


def attributes(list_):
    keys = [a.key for a in list_]
    assert len(keys) == len(set(keys)), f"twice: {keys}"
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in list_}


def table():
    """Every name of the one table."""
    return set(re.findall(r'"([a-z0-9_]+(?:\.[a-z0-9_]+)+)"', NAMES.read_text()))


def test_every_kind_is_there(spans):
    assert {s.name for s in spans} == KINDS


def test_ids(spans):
    for s in spans:
        assert len(s.trace_id) == 16 and any(s.trace_id)
        assert len(s.span_id) == 8 and any(s.span_id)
        assert s.flags & 1, "sampled"
    assert len({s.span_id for s in spans}) == len(spans)


def test_ids_are_lowercase_hex():
    for id_ in re.findall(r'"(?:traceId|spanId|parentSpanId)":"([^"]*)"', (ROOT / "tests/golden/spans.json").read_text()):
        assert re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", id_)


def test_parents(spans):
    by_id = {s.span_id: s for s in spans}
    children = [s for s in spans if s.parent_span_id]
    assert {s.name for s in children} == {"gc.pause", "gc.mark"}
    for s in children:
        parent = by_id[s.parent_span_id]
        assert parent.name == "gc.cycle" and parent.trace_id == s.trace_id
        assert parent.start_time_unix_nano <= s.start_time_unix_nano
        assert s.end_time_unix_nano <= parent.end_time_unix_nano
    roots = [s.trace_id for s in spans if not s.parent_span_id]
    assert len(roots) == len(set(roots)) and {s.trace_id for s in spans} == set(roots)


def test_links(spans):
    cycles = {s.span_id: s for s in spans if s.name == "gc.cycle"}
    throttles = [s for s in spans if s.name == "cpu.throttle"]
    assert all(len(s.links) == 1 for s in throttles)
    for s in spans:
        for link in s.links:
            cycle = cycles[link.span_id]
            assert s.name == "cpu.throttle" and link.trace_id == cycle.trace_id
            assert s.start_time_unix_nano < cycle.end_time_unix_nano
            assert cycle.start_time_unix_nano < s.end_time_unix_nano


def test_times_kind_and_status(spans):
    end = 1753878667500000000  # of the sample; what is fed ends within a second of it
    for s in spans:
        assert 0 < s.end_time_unix_nano - s.start_time_unix_nano < LONGEST_NS
        assert abs(s.end_time_unix_nano - end) < 10**9
        assert s.kind == trace_pb2.Span.SPAN_KIND_INTERNAL
        failed = "error.type" in attributes(s.attributes)
        assert (s.status.code == trace_pb2.Status.STATUS_CODE_ERROR) == failed
    errors = {attributes(s.attributes)["error.type"] for s in spans if s.status.code}
    assert errors == {"ETIMEDOUT", "NXDOMAIN", "timeout"}


def test_attribute_names(resources, spans):
    known = table()
    assert {"service.name", "gopherscope.go.stw.reason"} <= known
    for list_ in [r.resource.attributes for r in resources] + [s.attributes for s in spans]:
        assert set(attributes(list_)) <= known


def test_resources(resources):
    seen = []
    for r in resources:
        a = attributes(r.resource.attributes)
        assert r.schema_url and r.schema_url == r.scope_spans[0].schema_url
        assert [s.scope.name for s in r.scope_spans] == ["gopherscope"]
        assert a["telemetry.distro.name"] == "gopherscope" and a["host.name"] == "ip-10-1-4-17"
        if "k8s.pod.name" in a:
            assert a["service.name"] == a["k8s.deployment.name"] == "checkout-api"
        seen.append((a.get("process.pid"), a.get("k8s.container.name"), a.get("service.instance.id")))
    container = "shop.checkout-api-7d9c6b5f4-x2x9k.app"
    assert sorted(seen, key=str) == sorted([
        (48213, "app", container), (48300, "app", container + ".19"),  # two processes of one container
        (None, "app", container),  # its throttling
        (None, None, None),  # the pod's quota
        (None, None, None),  # nobody known
    ], key=str)


def test_a_throttle_is_the_container_s(resources):
    for r in resources:
        names = {s.name for s in r.scope_spans[0].spans}
        has_process = any(k.key.startswith("process.") for k in r.resource.attributes)
        assert "cpu.throttle" not in names or names == {"cpu.throttle"} and not has_process


def test_a_wrong_file_is_seen():
    """The reader refuses what the protocol does not know."""
    with pytest.raises(json_format.ParseError):
        parse('{"resourceSpans":[{"scopeSpan":[]}]}')
    with pytest.raises(json_format.ParseError):
        parse('{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"x"}]}]}]}')
