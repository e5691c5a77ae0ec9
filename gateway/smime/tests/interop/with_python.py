"""Signs, encrypts and opens S/MIME with Python's `cryptography`, reads it with `asn1crypto`.

    sign METHOD DIGEST CONTENT KEY CERT   an opaque SignedData in DER, on standard output
    encrypt CIPHER CONTENT CERT           an EnvelopedData in DER, on standard output
    check MAIL KEY CERT                   opens MAIL, checks its structure and its signature
"""

import base64
import email
import sys

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import pkcs7

DIGESTS = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def key_of(path):
    return serialization.load_pem_private_key(read(path), None)


def certificate_of(path):
    return x509.load_pem_x509_certificate(read(path))


def sign(method, digest, content, key, certificate):
    kind = padding.PSS(padding.MGF1(DIGESTS[digest]()), padding.PSS.DIGEST_LENGTH)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(read(content))
    builder = builder.add_signer(
        certificate_of(certificate),
        key_of(key),
        DIGESTS[digest](),
        rsa_padding=kind if method == "pss" else None,
    )
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def encrypt(cipher, content, certificate):
    kind = algorithms.AES128 if cipher == "aes128" else algorithms.AES256
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(read(content))
    builder = builder.add_recipient(certificate_of(certificate))
    builder = builder.set_content_encryption_algorithm(kind)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def strict(octets, kind=cms.ContentInfo):
    """Reads DER; what it means, written again, is the same octets."""
    value = kind.load(octets, strict=True)
    value.native
    assert value.copy().dump(force=True) == octets, "not DER"
    return value


def check_sorted(octets):
    """Every SET in these octets is sorted (X.690 section 11.6)."""
    position = 0
    encodings = []
    while position < len(octets):
        header, length, total = header_of(octets[position:])
        element = octets[position : position + total]
        encodings.append(element)
        if header & 0x20:
            check_sorted(element[total - length :])
            if header == 0x31:
                inner = split(element[total - length :])
                assert inner == sorted(inner), "a SET is not sorted"
        position += total


def header_of(octets):
    assert octets[1] != 0x80, "an indefinite length"
    if octets[1] < 0x80:
        return octets[0], octets[1], 2 + octets[1]
    count = octets[1] & 0x7F
    length = int.from_bytes(octets[2 : 2 + count], "big")
    assert length >= 0x80 and octets[2] != 0, "a length that is not minimal"
    return octets[0], length, 2 + count + length


def split(octets):
    parts = []
    while octets:
        total = header_of(octets)[2]
        parts.append(octets[:total])
        octets = octets[total:]
    return parts


def body(entity):
    return base64.b64decode(entity.get_payload())


def content_key(recipients, key, serial):
    for info in recipients:
        if info.name == "ktri":
            info = info.chosen
            if info["rid"].chosen["serial_number"].native != serial:
                continue
            assert info["version"].native == "v0"
            method = info["key_encryption_algorithm"]
            assert method["algorithm"].native == "rsaes_oaep"
            assert method["parameters"]["hash_algorithm"]["algorithm"].native == "sha256"
            mask = padding.MGF1(hashes.SHA256())
            return key.decrypt(
                info["encrypted_key"].native, padding.OAEP(mask, hashes.SHA256(), None)
            )
        if info.name == "kari":
            info = info.chosen
            for one in info["recipient_encrypted_keys"]:
                if one["rid"].chosen["serial_number"].native == serial:
                    return agreed(info, one["encrypted_key"].native, key)
    raise AssertionError("no entry for this certificate")


def agreed(info, wrapped, key):
    """RFC 5753 section 3.1.2, written from its text."""
    assert info["version"].native == "v3"
    assert info["ukm"].native is None
    scheme = info["key_encryption_algorithm"]["algorithm"].dotted
    digest = {
        "1.3.132.1.11.1": hashes.SHA256(),
        "1.3.132.1.11.2": hashes.SHA384(),
        "1.3.132.1.11.3": hashes.SHA512(),
    }[scheme]
    wrap = info["key_encryption_algorithm"]["parameters"].parsed.dump()
    point = info["originator"].chosen["public_key"].native
    public = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point)
    secret = key.exchange(ec.ECDH(), public)
    bits = bytes([0xA2, 6, 4, 4]) + (256).to_bytes(4, "big")
    shared = bytes([0x30, len(wrap) + len(bits)]) + wrap + bits
    kek = X963KDF(digest, 32, shared).derive(secret)
    return keywrap.aes_key_unwrap(kek, wrapped)


def opened(octets, key, certificate):
    check_sorted(octets)
    info = strict(octets)
    assert info["content_type"].native == "authenticated_enveloped_data"
    envelope = info["content"]
    assert envelope["version"].native == "v0"
    encrypted = envelope["auth_encrypted_content_info"]
    cipher = encrypted["content_encryption_algorithm"]
    # asn1crypto does not know GCMParameters.
    nonce, tag_length = core.SequenceOf.load(cipher["parameters"].dump(), spec=core.Any)
    assert tag_length.native == 16 and len(nonce.native) == 12
    cek = content_key(envelope["recipient_infos"], key, certificate.serial_number)
    assert len(cek) == 32
    sealed = encrypted["encrypted_content"].native + envelope["mac"].native
    return AESGCM(cek).decrypt(nonce.native, sealed, None)


def verify(entity):
    """Checks a multipart/signed entity, and gives the payload."""
    boundary = b"--" + email.message_from_bytes(entity).get_boundary().encode()
    payload = entity.split(b"\r\n" + boundary + b"\r\n")[1]
    parts = email.message_from_bytes(entity).get_payload()
    assert len(parts) == 2 and parts[1].get_content_type() == "application/pkcs7-signature"
    octets = body(parts[1])
    check_sorted(octets)
    signed = strict(octets)["content"]
    assert signed["encap_content_info"]["content"].native is None
    (signer,) = signed["signer_infos"]
    names = [attribute["type"].native for attribute in signer["signed_attrs"]]
    wanted = ["content_type", "message_digest", "signing_time"]
    wanted += ["cms_algorithm_protection", "smime_capabilities"]
    assert sorted(names) == sorted(wanted), names
    digest = signer["digest_algorithm"]["algorithm"].native
    hasher = hashes.Hash(DIGESTS[digest]())
    hasher.update(payload)
    values = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
    assert values["message_digest"][0].native == hasher.finalize()
    # RFC 5652 section 5.4: signed as a SET OF in DER.
    attributes = b"\x31" + signer["signed_attrs"].dump()[1:]
    check_sorted(attributes)
    serial = signer["sid"].chosen["serial_number"].native
    (certificate,) = [
        one.chosen for one in signed["certificates"] if one.chosen.serial_number == serial
    ]
    public = x509.load_der_x509_certificate(certificate.dump()).public_key()
    signature = signer["signature"].native
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, attributes, padding.PKCS1v15(), DIGESTS[digest]())
    elif isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, attributes)
    else:
        public.verify(signature, attributes, ec.ECDSA(DIGESTS[digest]()))
    return payload


def check(mail, key, certificate):
    message = email.message_from_bytes(read(mail))
    octets = body(message)
    plain = opened(octets, key_of(key), certificate_of(certificate))
    return verify(plain)


COMMANDS = {"sign": sign, "encrypt": encrypt, "check": check}
sys.stdout.buffer.write(COMMANDS[sys.argv[1]](*sys.argv[2:]))
