"""Reads a notice from standard input and checks what goes with it: the FHIR bundle with
fhir.resources, the IHE XDM with zipfile and an XML parser. Prints one line for each part."""

import email
import email.policy
import hashlib
import io
import json
import sys
import xml.etree.ElementTree as ET
import zipfile

from fhir.resources.R4B.bundle import Bundle

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"


def bundle(content):
    parsed = Bundle.model_validate_json(content)
    urls = {entry.fullUrl for entry in parsed.entry}
    kinds = [entry.resource.get_resource_type() for entry in parsed.entry]

    def references(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "reference" and isinstance(inner, str):
                    yield inner
                else:
                    yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    header = parsed.entry[0].resource
    for reference in references(json.loads(content)):
        earlier = any(
            reference in json.dumps(entry)
            for entry in json.loads(content)["entry"]
            if entry["resource"]["resourceType"] == "Provenance"
        )
        assert reference in urls or earlier, reference
    print("bundle", parsed.type, header.eventCoding.code, " ".join(kinds))


def xdm(content):
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.testzip() is None
        names = sorted(packed.namelist())
        metadata = ET.fromstring(packed.read("IHE_XDM/SUBSET01/METADATA.XML"))
        slots = {
            slot.get("name"): slot.find(f"{RIM}ValueList/{RIM}Value").text
            for slot in metadata.iter(f"{RIM}Slot")
        }
        document = packed.read("IHE_XDM/SUBSET01/" + slots["URI"])
        assert slots["hash"] == hashlib.sha1(document).hexdigest()
        assert int(slots["size"]) == len(document)
        assert ET.fromstring(document).tag == "{urn:hl7-org:v3}ClinicalDocument"
    print("xdm", " ".join(names))


def main():
    message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        content = part.get_payload(decode=True)
        if kind == "application/fhir+json":
            bundle(content)
        elif kind == "application/zip":
            xdm(content)
        else:
            print(kind, part.get_filename() or "")


main()
