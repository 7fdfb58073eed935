from __future__ import annotations

import json

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue import manifest
from zooassist_serving.catalogue.manifest import manifest_rows


def entry(subject, frame="0", host="https://example.org"):
    metadata = {"project_id": "1", "subject_set_id": "2", "subject_id": str(subject)}
    return [f"{host}/{subject}.jpg", json.dumps(metadata | {"frame_id": frame})]


@pytest.fixture
def written(tmp_path):
    def _written(content, **how):
        path = tmp_path / "manifest.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content, **how))
        return path

    return _written


@pytest.mark.parametrize("how", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize("chunk", [7, 64, 2**16])
def test_entries_come_in_order_whatever_the_chunks(written, monkeypatch, how, chunk):
    monkeypatch.setattr(manifest, "CHUNK", chunk)
    rows = list(manifest_rows(written([entry(i, frame=i % 2) for i in range(50)], **how)))
    assert [row.subject_id for row in rows] == list(range(50))
    assert [row.frame for row in rows] == [i % 2 for i in range(50)]
    assert rows[7].place == "https://example.org/7.jpg"
    assert not any(row.error for row in rows)


def test_entries_of_another_form_are_rows_with_an_error(written):
    content = [
        entry(1),
        ["https://example.org/2.jpg"],
        ["https://example.org/3.jpg", "not json"],
        ["/local/4.jpg", json.dumps({"subject_id": 4})],
        entry(5),
    ]
    rows = list(manifest_rows(written(content)))
    assert [row.error is None for row in rows] == [True, False, False, False, True]
    assert rows[1].name == "manifest.json entry 2"
    assert "got another form" in rows[1].error
    assert "JSON metadata" in rows[2].error
    assert "expected an http(s) URL, got '/local/4.jpg'" in rows[3].error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}', "expected a manifest"),
        ("", "expected a manifest"),
        ('[["https://a/1.jpg", "{}"]', "JSON to its end"),
        ('[["https://a/1.jpg", "{}"] ["https://a/2.jpg", "{}"]]', "expected a comma"),
        ('[["https://a/1.jpg", "{}', "JSON to its end"),
    ],
)
def test_what_is_no_list(written, content, message):
    with pytest.raises(BadInput, match=message):
        list(manifest_rows(written(content)))


def test_an_empty_list(written):
    assert list(manifest_rows(written("[ ]"))) == []
