"""The providers' signatures: published vectors, and each way of being wrong."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from multidict import CIMultiDict

from stream.gateway.signatures import SCHEMES, Request, SignatureError, generic_signature, scheme_of

NOW = 1_790_000_000.0
SECRET = b"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
BODY = b'{"example_field":"example_value"}'
URL = "https://www.example.com/webhook_uri"
V2 = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def verify(kind, headers, body=BODY, secrets=(SECRET,), url=URL, now=NOW):
    return scheme_of(kind).verify(Request("POST", url, CIMultiDict(headers), body), secrets, now)


def fault(kind, headers, **more) -> str:
    with pytest.raises(SignatureError) as refused:
        verify(kind, headers, **more)
    return refused.value.fault


def hubspot(version, signature):
    return {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": version}


def v3(url=URL, body=BODY, at=NOW, secret=SECRET):
    stamp = str(round(at * 1000))
    signed = f"POST{url}".encode() + body + stamp.encode()
    digest = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"X-HubSpot-Signature-v3": digest, "X-HubSpot-Request-Timestamp": stamp}


def test_hubspot_v1_and_v2() -> None:
    verify("hubspot", hubspot("v2", V2))
    verify("hubspot", hubspot("v2", V2), secrets=(b"new", SECRET))
    v1 = hashlib.sha256(SECRET + BODY).hexdigest()
    verify("hubspot", hubspot("v1", v1))
    assert fault("hubspot", hubspot("v1", V2)) == "wrong"
    assert fault("hubspot", hubspot("v2", v1)) == "wrong"
    assert fault("hubspot", hubspot("v2", V2), body=BODY + b" ") == "wrong"
    assert fault("hubspot", hubspot("v2", V2), url=URL + "?a=1") == "wrong"
    assert fault("hubspot", hubspot("v2", V2), secrets=(b"other",)) == "wrong"
    assert fault("hubspot", hubspot("v3", V2)) == "wrong"
    assert fault("hubspot", {}) == "missing"
    assert fault("hubspot", {"X-HubSpot-Signature": V2}) == "missing"
    assert fault("hubspot", [*hubspot("v2", V2).items(), ("X-HubSpot-Signature", V2)]) == "wrong"


def test_hubspot_v3_has_a_window_of_five_minutes_and_cannot_be_gone_around() -> None:
    assert verify("hubspot", v3()) == NOW
    for seconds in (-300, 300):
        verify("hubspot", v3(at=NOW + seconds))
    for seconds in (-301, 301):
        assert fault("hubspot", v3(at=NOW + seconds)) == "old"
    escaped = URL + "?a=%3A%2f%40%20"
    verify("hubspot", v3(url=URL + "?a=:/@%20"), url=escaped)
    assert fault("hubspot", v3(url=escaped), url=escaped) == "wrong"
    assert fault("hubspot", v3(body=b"{}")) == "wrong"
    assert fault("hubspot", v3(secret=b"other")) == "wrong"
    assert fault("hubspot", v3(secret=b"other") | hubspot("v2", V2)) == "wrong"  # no falling back
    assert fault("hubspot", v3(at=NOW - 301) | hubspot("v2", V2)) == "old"
    assert fault("hubspot", {"X-HubSpot-Signature-v3": "x"}) == "missing"
    assert fault("hubspot", v3() | {"X-HubSpot-Request-Timestamp": "soon"}) == "wrong"


def twilio(signature, url=TWILIO_URL, body=None, headers=FORM, **more):
    body = urlencode(CALL).encode() if body is None else body
    return verify("twilio", {"X-Twilio-Signature": signature, **headers}, body, (b"12345",), url, **more)


def sign_twilio(url, text=""):
    return base64.b64encode(hmac.new(b"12345", (url + text).encode(), hashlib.sha1).digest()).decode()


def twilio_fault(*given, **more) -> str:
    with pytest.raises(SignatureError) as refused:
        twilio(*given, **more)
    return refused.value.fault


def test_twilio_forms() -> None:
    twilio(TWILIO)
    twilio(TWILIO, "https://mycompany.com:443/myapp.php?foo=1&bar=2")
    url = "https://a.example/t"
    twilio(sign_twilio("https://a.example:443/t"), url, b"")
    twilio(sign_twilio(url, "ax" + "ay" + "b"), url, b"b=&a=y&a=x&a=y")  # several values, an empty one, one twice
    assert twilio_fault(TWILIO, TWILIO_URL + "&baz=3") == "wrong"
    assert twilio_fault(TWILIO, body=urlencode({**CALL, "Digits": "1235"}).encode()) == "wrong"
    assert twilio_fault(TWILIO, body=b"CallSid=%ff") == "wrong"
    assert twilio_fault(TWILIO, body=b"&".join(b"a=1" for _ in range(501))) == "wrong"
    assert fault("twilio", FORM) == "missing"
    assert fault("twilio", {"X-Twilio-Signature": TWILIO, **FORM}, url=TWILIO_URL) == "wrong"


def test_twilio_json_is_bound_to_the_address_by_its_hash() -> None:
    url = f"https://a.example/t?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    kind = {"Content-Type": "application/json"}
    twilio(sign_twilio(url), url, BODY, kind)
    assert twilio_fault(sign_twilio(url), url, BODY + b" ", kind) == "wrong"
    bare = "https://a.example/t"
    assert twilio_fault(sign_twilio(bare), bare, BODY, kind) == "missing"


def test_pipedrive_segment_and_the_generic_one() -> None:
    basic = base64.b64encode(b"user:p\xc3\xa4ss").decode()
    verify("pipedrive", {"Authorization": f"Basic {basic}"}, secrets=("user:päss".encode(),))
    assert fault("pipedrive", {"Authorization": f"Basic {basic}"}, secrets=(b"user:other",)) == "wrong"
    assert fault("pipedrive", {"Authorization": "Basic !"}) == "wrong"
    assert fault("pipedrive", {"Authorization": "Bearer x"}) == "missing"
    assert fault("pipedrive", {}) == "missing"

    digest = hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()
    verify("segment", {"X-Signature": digest})
    assert fault("segment", {"X-Signature": digest}, body=b"{}") == "wrong"
    assert fault("segment", {}) == "missing"

    for kind in ("telephony", "meta", "google-ads", "snowplow", "salesforce", "ecb"):
        assert kind not in SCHEMES
        at = int(NOW)
        assert verify(kind, {"Sixfold-Signature": generic_signature(SECRET, BODY, at)}) == at
        assert fault(kind, {"Sixfold-Signature": generic_signature(SECRET, BODY, at - 301)}) == "old"
        assert fault(kind, {"Sixfold-Signature": generic_signature(SECRET, BODY, at + 301)}) == "old"
        assert fault(kind, {"Sixfold-Signature": generic_signature(b"other", BODY, at)}) == "wrong"
        assert fault(kind, {"Sixfold-Signature": generic_signature(SECRET, b"", at)}) == "wrong"
        moved = generic_signature(SECRET, BODY, at - 400).replace(f"t={at - 400}", f"t={at}")
        assert fault(kind, {"Sixfold-Signature": moved}) == "wrong"
        assert fault(kind, {"Sixfold-Signature": "v1=00"}) == "wrong"
        assert fault(kind, {}) == "missing"
