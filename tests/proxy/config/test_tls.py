"""What is wrong with the files of a client certificate, as `check-config` says it. Those of
listeners are in `test_model.py`."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.config.settings import SettingErrors
from proxy.config.upstream import Upstream
from tests.proxy.config.conftest import Complaints

PLACE = "upstreams.default."


class Pair:
    """A client certificate and its key, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key = folder / "client.crt", folder / "client.key"
        self.issue()

    def issue(self) -> None:
        """Write a new certificate and its key."""
        issued = self.authority.issue_cert("gateway.internal")
        issued.cert_chain_pems[0].write_to_path(self.certificate)
        issued.private_key_pem.write_to_path(self.key)

    def settings(self, **others: object) -> dict[str, object]:
        """Those of an upstream that asks for it."""
        pair = {"client_certificate": str(self.certificate), "client_key": str(self.key)}
        return {"url": "https://h"} | pair | others

    def configuration(self, **others: object) -> str:
        """A configuration with that upstream. A setting that is None is left out."""
        lines = [f"    {name}: {each}" for name, each in self.settings(**others).items() if each]
        return "\n".join(["listen: 127.0.0.1:8080", "upstreams:", "  default:", *lines, ""])


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A pair that belongs together."""
    return Pair(tmp_path)


def test_a_client_certificate_and_its_key_are_optional_and_accepted_together(pair: Pair) -> None:
    """Whether or not the upstream's own certificate is verified."""
    assert Upstream.model_validate({"url": "https://h"}).client_certificate is None
    for others in ({}, {"verify": False}):
        upstream = Upstream.model_validate(pair.settings(**others))
        assert isinstance(upstream.context, ssl.SSLContext)


@pytest.mark.parametrize("name", ["client_certificate", "client_key"])
def test_one_without_the_other_is_refused(pair: Pair, complaints: Complaints, name: str) -> None:
    """With the name of the one that is missing."""
    (complaint,) = complaints(pair.configuration(**{name: None}))
    expected = "is required: the client certificate and its key belong together"
    assert complaint.endswith(f"{PLACE}{name}: {expected}")


def test_a_client_certificate_needs_tls(pair: Pair, complaints: Complaints) -> None:
    """Nobody asks for it otherwise."""
    found = complaints(pair.configuration(url="http://h"))
    assert [each.partition(PLACE)[2] for each in found] == [
        "client_certificate: needs an https:// url",
        "client_key: needs an https:// url",
    ]


@pytest.mark.parametrize("name", ["client_certificate", "client_key"])
def test_a_file_that_cannot_be_read_is_named(
    pair: Pair, complaints: Complaints, name: str, tmp_path: Path
) -> None:
    """With what the system says of it."""
    (complaint,) = complaints(pair.configuration(**{name: tmp_path / "none"}))
    assert complaint.endswith(f"{PLACE}{name}: cannot read this file: No such file or directory")
    (complaint,) = complaints(pair.configuration(**{name: tmp_path}))
    assert complaint.endswith(f"{PLACE}{name}: cannot read this file: Is a directory")


def test_the_key_of_another_certificate_is_refused(pair: Pair, complaints: Complaints) -> None:
    """Also one of another kind: the certificate's is on an elliptic curve, the other is RSA."""
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for key in (
        trustme.CA().issue_cert("h").private_key_pem.bytes(),
        other.private_bytes(*pem, serialization.NoEncryption()),
    ):
        pair.key.write_bytes(key)
        (complaint,) = complaints(pair.configuration())
        assert complaint.endswith(f"{PLACE}client_key: is not the key of this certificate")


def test_a_key_with_a_pass_phrase_is_refused(pair: Pair, complaints: Complaints) -> None:
    """Without a prompt for the pass phrase."""
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"hunter2")
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    pair.key.write_bytes(key.private_bytes(*pem))
    (complaint,) = complaints(pair.configuration())
    assert complaint.endswith(f"{PLACE}client_key: is encrypted: use a key without a pass phrase")


def test_files_of_something_else_are_refused(pair: Pair, complaints: Complaints) -> None:
    """They hold no certificate, or no key."""
    pair.certificate.write_text("hello")
    (complaint,) = complaints(pair.configuration())
    assert complaint.endswith(
        f"{PLACE}client_certificate: this file and the key should be PEM files that belong together"
    )


def test_all_that_is_wrong_is_reported_at_once(pair: Pair, complaints: Complaints) -> None:
    """A file of authorities that is not there hides no key that does not fit."""
    pair.key.write_bytes(trustme.CA().issue_cert("h").private_key_pem.bytes())
    found = complaints(pair.configuration(ca_file="/dev/null"))
    assert [each.partition(PLACE)[2] for each in found] == [
        "ca_file: the file holds no certificates"
    ]
    upstream = Upstream.model_validate(Pair(pair.key.parent).settings())
    pair.certificate.unlink()
    pair.key.unlink()
    with pytest.raises(SettingErrors, match=r"cannot read this file.*cannot read this file"):
        upstream.reread()


def test_a_refused_change_leaves_the_context_in_use_as_it_was(pair: Pair) -> None:
    """A new certificate whose key has yet to come is not in use in part."""
    authority = pair.key.parent / "ca.pem"
    pair.authority.cert_pem.write_to_path(authority)
    upstream = Upstream.model_validate(pair.settings(ca_file=str(authority)))
    context = upstream.context
    pair.issue()
    authority.write_text("nothing")
    with pytest.raises(SettingErrors, match="holds no certificates"):
        upstream.reread()
    assert upstream.context is context
    assert upstream.changed
    pair.authority.cert_pem.write_to_path(authority)
    assert upstream.reread().context is not context
