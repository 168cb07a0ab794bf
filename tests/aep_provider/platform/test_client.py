"""Both drivers against a real server: what goes over the wire, and what is made of what comes back."""

from __future__ import annotations

import datetime
import gzip
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aep_provider.errors import (
    AepAnswerError,
    AepAnswerLostError,
    AepAuthenticationError,
    AepConfigError,
    AepConnectError,
    AepInvalidRequestError,
    AepNotFoundError,
    AepPermissionError,
    AepPreconditionError,
    AepServerError,
    AepThrottledError,
    AepTransportError,
)
from aep_provider.platform import blocking, nonblocking
from aep_provider.platform.services import FLOW_SERVICE

FLOWS = f"{FLOW_SERVICE}/flows"
WRITES = ["POST", "PUT", "PATCH"]


def test_a_request_says_who_asks_where(aep: Any, ims: Any, driver: Any) -> None:
    aep.say(200, {"items": []}, headers={"ETag": '"1"'})
    answer = driver(caller="airflow/3.3").request("GET", FLOWS)
    (seen,) = aep.seen
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, {"items": []}, '"1"')
    assert seen.headers["authorization"] == "Bearer eyJtoken-1"
    assert seen.headers["x-api-key"] == "the-client-id"
    assert seen.headers["x-gw-ims-org-id"] == "1234567890@AdobeOrg"
    assert seen.headers["x-sandbox-name"] == "stage"
    assert seen.headers["x-request-id"] == answer.request_id
    assert seen.headers["user-agent"].startswith("airflow-provider-aep/")
    assert seen.headers["user-agent"].endswith(" airflow/3.3")
    assert seen.headers["accept"] == "application/json"
    assert "content-type" not in seen.headers


def test_each_call_has_its_own_request_id(aep: Any, driver: Any) -> None:
    client = driver()
    assert client.request("GET", FLOWS).request_id != client.request("GET", FLOWS).request_id


def test_parameters_may_repeat_and_are_encoded_alike(aep: Any, driver: Any) -> None:
    params = [("property", "name==A b&c=d,é"), ("property", "id==1"), ("orderby", "+name"), ("gone", None)]
    driver().request("GET", FLOWS, params=params)
    assert aep.seen[0].query == "property=name%3D%3DA+b%26c%3Dd%2C%C3%A9&property=id%3D%3D1&orderby=%2Bname"


def test_an_encoded_id_in_a_path_stays_encoded(aep: Any, driver: Any) -> None:
    driver().request("GET", "/data/foundation/schemaregistry/tenant/schemas/https%3A%2F%2Fns.adobe.com%2Fx")
    assert aep.seen[0].path.endswith("/https%3A%2F%2Fns.adobe.com%2Fx")


def test_a_body_is_json_and_the_etag_goes_verbatim(aep: Any, driver: Any) -> None:
    driver().request("PATCH", FLOWS, json=[{"op": "add", "value": "é"}], etag='"2900a761-0000"')
    (seen,) = aep.seen
    assert json.loads(seen.body) == [{"op": "add", "value": "é"}]
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["if-match"] == '"2900a761-0000"'


def test_a_caller_may_name_another_accept_and_content_type(aep: Any, driver: Any) -> None:
    headers = {"accept": "application/vnd.adobe.xed+json", "content-type": "application/json-patch+json"}
    driver().request("PATCH", FLOWS, json=[], headers=headers)
    assert aep.seen[0].headers["accept"] == "application/vnd.adobe.xed+json"
    assert aep.seen[0].headers["content-type"] == "application/json-patch+json"


def test_an_action_without_a_body_has_no_content_type(aep: Any, driver: Any) -> None:
    driver().request("POST", f"{FLOWS}/1/action", params={"op": "enable"})
    assert "content-type" not in aep.seen[0].headers
    assert aep.seen[0].body == b""


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_empty_answer_has_no_body(aep: Any, driver: Any, status: int) -> None:
    aep.say(status)
    assert driver().request("DELETE", f"{FLOWS}/1").body is None


def test_lines_of_json_are_read_as_text(aep: Any, driver: Any) -> None:
    aep.say(200, b'{"a": 1}\n{"a": 2}\n').say(200)
    client = driver()
    assert client.text("/data/foundation/export/files/1") == '{"a": 1}\n{"a": 2}\n'
    assert client.text("/data/foundation/export/files/2") == ""


@pytest.mark.parametrize(
    "body",
    [b"<html>Sign in</html>", b'{"items": [', b"[" * 200_000, b'{"n": ' + b"9" * 10_000 + b"}", b'"\xff"'],
    ids=["html", "cut", "deep", "huge number", "not utf-8"],
)
@pytest.mark.parametrize(("method", "ambiguous"), [("GET", False), ("POST", True)])
def test_an_answer_that_is_no_json(aep: Any, driver: Any, body: bytes, method: str, ambiguous: bool) -> None:
    aep.say(200, body, headers={"Content-Type": "text/html; charset=x"}, times=9)
    with pytest.raises(
        AepAnswerError, match=r"HTTP 200, text/html.* (is not JSON|is nested deeper|holds a number)"
    ) as caught:
        driver().request(method, FLOWS)
    assert caught.value.ambiguous is ambiguous
    assert len(aep.seen) == (1 if ambiguous else 5)


def test_a_gateway_that_answers_with_a_page_of_its_own_for_a_moment(aep: Any, driver: Any) -> None:
    aep.say(200, b"<html>Please wait</html>", headers={"Content-Type": "text/html"})
    aep.say(200, {"items": []})
    assert driver().request("GET", FLOWS).body == {"items": []}


def test_a_redirect_is_not_followed_and_takes_no_token_along(aep: Any, server: Any, driver: Any) -> None:
    foreign = server()
    aep.say(302, headers={"Location": f"{foreign.url}/collect?signature=abc"})
    with pytest.raises(AepAnswerError, match=r"redirects \(HTTP 302\) to 127\.0\.0\.1") as caught:
        driver().request("GET", FLOWS)
    assert "signature" not in str(caught.value)
    assert foreign.seen == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("status", [429, 503])
def test_reading_and_deleting_outlast_a_bad_moment(aep: Any, driver: Any, clock: Any, method: str, status: int) -> None:
    aep.say(status, times=2)
    client = driver()
    assert client.request(method, FLOWS).status == 200
    assert client.requests_sent == len(aep.seen) == 3
    assert len(clock.slept) == 2
    assert len({seen.headers["x-request-id"] for seen in aep.seen}) == 1


@pytest.mark.parametrize("how", ["unread", "read", "midway"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_reading_and_deleting_outlast_a_lost_answer(aep: Any, driver: Any, method: str, how: str) -> None:
    aep.hang_up(how)
    assert driver().request(method, FLOWS).status == 200
    assert len(aep.seen) == 2


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("status", [408, 503])
def test_a_write_that_failed_is_never_sent_again(aep: Any, driver: Any, method: str, status: int) -> None:
    aep.say(status, headers={"Retry-After": "1"})
    with pytest.raises(AepServerError) as caught:
        driver().request(method, FLOWS, json={"name": "x"})
    assert len(aep.seen) == 1
    assert caught.value.ambiguous


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("how", ["unread", "read", "midway"])
def test_a_write_whose_answer_is_lost_is_never_sent_again(aep: Any, driver: Any, method: str, how: str) -> None:
    client = driver()
    # On a kept connection too, where HTTP libraries are tempted to send a PUT again by themselves.
    client.request("GET", FLOWS)
    aep.hang_up(how)
    with pytest.raises(AepAnswerLostError) as caught:
        client.request(method, FLOWS, json={"name": "x"})
    assert [seen.method for seen in aep.seen] == ["GET", method]
    assert caught.value.ambiguous


@pytest.mark.parametrize("method", WRITES)
def test_a_write_that_came_too_often_is_sent_again(aep: Any, driver: Any, method: str) -> None:
    aep.say(429)
    assert driver().request(method, FLOWS, json={}).status == 200
    assert len(aep.seen) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_listens(driver: Any, clock: Any, method: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = driver(gateway=url, attempts=3)
        with pytest.raises(AepConnectError, match=r"could not be reached \(127\.0\.0\.1: ConnectionRefused") as caught:
            client.request(method, FLOWS)
    assert client.requests_sent == 3
    assert not caught.value.ambiguous


def test_an_answer_that_never_comes_times_out(aep: Any, driver: Any) -> None:
    aep.hang_up("silent")
    with pytest.raises(AepAnswerLostError) as caught:
        driver(read_timeout=0.2).request("POST", FLOWS)
    assert caught.value.ambiguous
    assert len(aep.seen) == 1


def test_an_answer_that_drips_is_not_waited_for_without_end(aep: Any, driver: Any) -> None:
    aep.say(200, {"name": "x" * 1000}, drip=0.05)
    started = time.monotonic()
    with pytest.raises(AepTransportError):
        driver(answer_timeout=0.3).request("POST", FLOWS)
    assert time.monotonic() - started < 10


def test_an_answer_in_chunks(aep: Any, driver: Any) -> None:
    packed = gzip.compress(b'{"items": [1]}')
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (packed[:9], packed[9:])) + b"0\r\n\r\n"
    aep.say(200, chunks, headers={"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"})
    assert driver().request("GET", FLOWS).body == {"items": [1]}


def test_chunks_that_end_too_early_are_no_answer(aep: Any, driver: Any) -> None:
    headers = {"Transfer-Encoding": "chunked", "Connection": "close"}
    aep.say(200, b"e\r\n" + b'{"items": [1]}' + b"\r\n", headers=headers)
    with pytest.raises(AepAnswerLostError):
        driver().request("POST", FLOWS)
    assert len(aep.seen) == 1


def test_what_is_no_http_is_no_answer(driver: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(AepAnswerLostError):
            driver(gateway=f"http://127.0.0.1:{listening.getsockname()[1]}").request("POST", FLOWS)
        thread.join(5)


def test_each_repetition_is_told(aep: Any, driver: Any, caplog: Any) -> None:
    aep.say(503)
    driver().request("GET", FLOWS, params={"property": "name==x"})
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("aep_provider")]
    assert told.startswith(f"AEP refused (HTTP 503) [GET {FLOWS}, sandbox stage, request id ")
    assert "Trying again in" in told


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_has_a_largest_size(aep: Any, driver: Any, monkeypatch: Any, packed: bool) -> None:
    for module in (blocking, nonblocking):
        monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)
    body = b" " * 100_000
    aep.say(200, gzip.compress(body) if packed else body, headers={"Content-Encoding": "gzip"} if packed else {})
    with pytest.raises(AepAnswerError, match="larger"):
        driver().request("GET", FLOWS)
    assert len(aep.seen) == 1


def test_it_gives_up_after_so_many_attempts(aep: Any, driver: Any) -> None:
    aep.say(503, times=9)
    with pytest.raises(AepServerError) as caught:
        driver(attempts=4).request("GET", FLOWS)
    assert len(aep.seen) == 4
    assert not caught.value.ambiguous


def test_it_gives_up_when_the_time_is_spent(aep: Any, driver: Any, clock: Any) -> None:
    aep.say(503, times=20, headers={"Retry-After": "10"})
    with pytest.raises(AepServerError):
        driver(attempts=20, retry_budget_seconds=35).request("GET", FLOWS)
    assert len(aep.seen) == 4
    assert sum(clock.slept) <= 35


def test_it_waits_as_long_as_it_is_told(aep: Any, driver: Any, clock: Any) -> None:
    aep.say(429, headers={"Retry-After": "7"})
    aep.say(503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:20 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"})
    driver().request("GET", FLOWS)
    assert 7 <= clock.slept[0] <= 7.7
    assert 19 <= clock.slept[1] <= 23


@pytest.mark.parametrize("value", ["999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_out_of_all_proportion_is_an_error(aep: Any, driver: Any, clock: Any, value: str) -> None:
    aep.say(429, headers={"Retry-After": value})
    with pytest.raises(AepThrottledError) as caught:
        driver().request("POST", FLOWS)
    assert caught.value.retry_after == 86400
    assert not caught.value.ambiguous
    assert clock.slept == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error_code": "401013", "message": "Oauth token is not valid"}),
        (401, None),
        (403, {"error_code": 403010, "message": "Oauth token is missing."}),
    ],
)
def test_a_refused_token_is_renewed_once(aep: Any, ims: Any, driver: Any, method: str, status: int, body: Any) -> None:
    aep.say(status, body)
    assert driver().request(method, FLOWS).status == 200
    assert [seen.headers["authorization"] for seen in aep.seen] == ["Bearer eyJtoken-1", "Bearer eyJtoken-2"]


def test_a_token_refused_again_and_again_is_an_error(aep: Any, ims: Any, driver: Any) -> None:
    aep.say(401, {"error_code": "401013", "message": "Oauth token is not valid: eyJtoken-2"}, times=5)
    with pytest.raises(AepAuthenticationError, match=r"401013.*not valid: \*\*\*.*Check login") as caught:
        driver().request("GET", FLOWS)
    assert len(aep.seen) == len(ims.seen) == 5
    assert caught.value.number == 401013


def test_a_ready_token_is_used_as_it_is(aep: Any, ims: Any, driver: Any) -> None:
    client = driver(access_token="eyJtoken-ready", client_secret=None)
    client.request("GET", FLOWS)
    aep.say(401)
    with pytest.raises(AepAuthenticationError):
        client.request("GET", FLOWS)
    assert [seen.headers["authorization"] for seen in aep.seen] == ["Bearer eyJtoken-ready"] * 2
    assert ims.seen == []


def test_a_missing_permission_is_not_a_missing_object(aep: Any, ims: Any, driver: Any) -> None:
    aep.say(403, {"type": "https://ns.adobe.com/aep/errors/FLOW-2120-403", "title": "Forbidden", "status": 403})
    with pytest.raises(AepPermissionError, match=r"FLOW-2120-403.*product profile"):
        driver().request("GET", FLOWS)
    assert len(aep.seen) == len(ims.seen) == 1


def test_a_lost_race_is_told(aep: Any, driver: Any) -> None:
    aep.say(412, {"errorMessage": 'Supplied version=["a"] does not match', "errorDetails": "x"})
    with pytest.raises(AepPreconditionError, match="Supplied version"):
        driver().request("PATCH", FLOWS, json=[], etag='"a"')
    assert len(aep.seen) == 1


def test_gone_after_a_lost_answer_may_have_been_us(aep: Any, driver: Any) -> None:
    aep.hang_up("read").say(404)
    with pytest.raises(AepNotFoundError) as caught:
        driver().request("DELETE", f"{FLOWS}/1")
    assert caught.value.ambiguous


def test_credentials_that_aep_echoes_are_not_shown(aep: Any, driver: Any) -> None:
    echo = {"type": "https://ns.adobe.com/aep/errors/CONNECTOR-1308-400", "errorMessage": "bad hunter2-of-the-source"}
    aep.say(400, echo, times=2)
    client = driver()
    body = {"name": "n", "auth": {"specName": "Basic", "params": {"password": "hunter2-of-the-source"}}}
    with pytest.raises(AepInvalidRequestError, match=r"bad \*\*\*"):
        client.request("POST", f"{FLOW_SERVICE}/connections", json=body)
    patch = [{"op": "replace", "path": "/auth/params", "value": {"password": "hunter2-of-the-source"}}]
    with pytest.raises(AepInvalidRequestError, match=r"bad \*\*\*"):
        client.request("PATCH", f"{FLOW_SERVICE}/connections/1", json=patch)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("flows", {}),
        ("//evil.example/flows", {}),
        ("https://evil.example/", {}),
        ("/a/../../b", {}),
        ("/a/%2e%2E/b", {}),
        ("/a?b=c", {}),
        ("/a#b", {}),
        ("/a b", {}),
        ("/a\r\nX: y", {}),
        ("/a\\b", {}),
        ("/a", {"headers": {"Authorization": "mine"}}),
        ("/a", {"headers": {"X-Sandbox-Name": "prod"}}),
        ("/a", {"headers": {"Accept": "a\r\nb: c"}}),
        ("/a", {"etag": '"\n"'}),
        ("/a", {"json": {"when": object()}}),
        ("/a", {"json": float("nan")}),
    ],
)
def test_what_cannot_be_sent_is_refused_before(aep: Any, driver: Any, path: str, options: dict[str, Any]) -> None:
    with pytest.raises(AepConfigError):
        driver().request("POST", path, **options)
    assert aep.seen == []


def test_a_login_in_netrc_does_not_replace_the_token(aep: Any, driver: Any, monkeypatch: Any, tmp_path: Any) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    driver().request("GET", FLOWS)
    assert aep.seen[0].headers["authorization"] == "Bearer eyJtoken-1"


@pytest.fixture
def proxy(server: Any, monkeypatch: Any) -> Any:
    """The proxy of the environment; it refuses everything."""
    proxy = server()
    proxy.default.status = 502
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    return proxy


def test_the_proxy_of_the_environment_is_used(proxy: Any, driver: Any) -> None:
    client = driver(
        gateway="https://gateway.invalid",
        allowed_token_hosts=("gateway.invalid",),
        access_token="eyJtoken-ready",
        attempts=1,
    )
    with pytest.raises(AepConnectError) as caught:
        client.request("POST", FLOWS, json={})
    (seen,) = proxy.seen
    assert (seen.method, seen.target) == ("CONNECT", "gateway.invalid:443")
    assert "authorization" not in seen.headers
    # The tunnel was refused, so nothing came to AEP.
    assert not caught.value.ambiguous


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_is_sent_to_this_machine_does_not_leave_it(aep: Any, proxy: Any, driver: Any, host: str) -> None:
    assert driver(gateway=aep.url.replace("127.0.0.1", host)).request("GET", FLOWS).status == 200
    assert proxy.seen == []


def test_cookies_are_not_kept(aep: Any, driver: Any) -> None:
    aep.say(200, {}, headers={"Set-Cookie": "session=1; Path=/"})
    # By name: cookie jars take none from bare addresses anyway.
    client = driver(gateway=aep.url.replace("127.0.0.1", "localhost"))
    client.request("GET", FLOWS)
    client.request("GET", FLOWS)
    assert "cookie" not in aep.seen[1].headers


def test_connections_are_kept(aep: Any, client: Any) -> None:
    ports: set[int] = set()
    serve = aep.http.RequestHandlerClass.do_GET

    def noted(handler: Any) -> None:
        ports.add(handler.client_address[1])
        serve(handler)

    aep.http.RequestHandlerClass.do_GET = noted
    for _ in range(5):
        client.get(FLOWS)
    assert len(ports) == 1


def test_one_client_serves_many_threads(aep: Any, client: Any) -> None:
    together = threading.Barrier(20)

    def ask(_: int) -> int:
        together.wait(5)
        return client.get(FLOWS).status

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {200}
    assert client.requests_sent == 20


@pytest.fixture
def untrusted(tmp_path: Any) -> Any:
    """A server with a certificate that nobody vouches for; says what it was sent in clear text."""
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = tmp_path / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem


def test_a_certificate_that_nobody_vouches_for(server: Any, driver: Any, untrusted: Any, monkeypatch: Any) -> None:
    context, pem = untrusted
    gateway = server()
    gateway.http.socket = context.wrap_socket(gateway.http.socket, server_side=True)
    url = gateway.url.replace("http://127.0.0.1", "https://localhost")
    client = driver(gateway=url)
    with pytest.raises(AepConnectError, match="certificate") as caught:
        client.request("POST", FLOWS, json={})
    assert caught.value.final
    assert not caught.value.ambiguous
    assert client.requests_sent == 1
    assert gateway.seen == []
    # With the authority of the environment it is trusted, in workers and in the triggerer alike.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    assert driver(gateway=url).request("GET", FLOWS).status == 200
