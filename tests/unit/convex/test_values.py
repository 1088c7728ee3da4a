from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest

from adapters.convex.values import decode_document
from local.sandbox.convex.archive import encode_line


def _encoded(mark: str, raw: bytes) -> dict[str, str]:
    return {mark: base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (_encoded("$bytes", b"\x00\xff"), b"\x00\xff"),
        (_encoded("$bytes", b""), b""),
        (_encoded("$float", struct.pack("<d", math.inf)), math.inf),
        (_encoded("$float", struct.pack("<d", -math.inf)), -math.inf),
        (_encoded("$integer", struct.pack("<q", 2**63 - 1)), 2**63 - 1),
        (_encoded("$integer", struct.pack("<q", -(2**63))), -(2**63)),
        (123, 123),
        ("$bytes", "$bytes"),
        ({"$set": [1]}, {"$set": [1]}),
        ({"$bytes": "AA==", "more": 1}, {"$bytes": "AA==", "more": 1}),
    ],
)
def test_top_level_values_are_decoded_exactly(encoded: Any, value: Any) -> None:
    """An encoded field becomes the Python value it stands for; anything else stays as it is."""
    document = {"_id": "a", "field": encoded}
    decode_document(document)
    assert document["field"] == value
    assert type(document["field"]) is type(value)


def test_special_floats_are_decoded() -> None:
    """NaN and negative zero, which compare oddly, come out as themselves."""
    document: dict[str, Any] = {
        "nan": _encoded("$float", struct.pack("<d", math.nan)),
        "zero": _encoded("$float", struct.pack("<d", -0.0)),
    }
    decode_document(document)
    assert math.isnan(document["nan"])
    assert math.copysign(1, document["zero"]) == -1


def test_nested_values_keep_their_encoding() -> None:
    """What lies inside an object or array will be JSON text, so its encodings are left alone."""
    nested = {"seal": {"$bytes": "AA=="}, "list": [{"$float": "AAAAAAAA+H8="}]}
    document = {"payload": nested, "list": [{"$bytes": "AA=="}]}
    decode_document(document)
    assert document == {"payload": nested, "list": [{"$bytes": "AA=="}]}


@pytest.mark.parametrize(
    "broken",
    [{"$bytes": "?"}, {"$bytes": 1}, {"$float": "AA=="}, {"$integer": None}, {"$bytes": "é"}],
)
def test_a_broken_encoding_names_its_field(broken: dict[str, Any]) -> None:
    """An encoding that cannot be decoded raises ValueError with the field's name."""
    with pytest.raises(ValueError, match="'photo'"):
        decode_document({"photo": broken})


def test_the_writer_encodes_what_the_reader_decodes() -> None:
    """A line of the sample writer says integers, floats, bytes and special floats apart."""
    line = encode_line({"a": 123, "b": 123.0, "c": b"\x01", "d": math.inf, "e": 2**63 - 1})
    assert line == (
        b'{"a":123,"b":123.0,"c":{"$bytes":"AQ=="},"d":{"$float":"AAAAAAAA8H8="},'
        b'"e":9223372036854775807}\n'
    )
