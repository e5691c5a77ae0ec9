"""Python's fhir.resources parses everything that the directory serves as FHIR R4.

Arguments: port, authority (PEM), user, password.
"""

import base64
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

from fhir.resources.R4B import get_fhir_model_class

port, authority, user, password = sys.argv[1:5]
base = f"https://127.0.0.1:{port}/fhir"
tls = ssl.create_default_context(cafile=authority)
login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(path, headers=None, data=None, known=True):
    """The status, the resource and the headers of an answer; the resource is parsed."""
    url = path if path.startswith("https://") else f"{base}/{path}"
    request = urllib.request.Request(url, data=data, headers=headers or {})
    if known:
        request.add_header("Authorization", login)
    try:
        with urllib.request.urlopen(request, context=tls, timeout=30) as response:
            status, body, fields = response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        status, body, fields = error.code, error.read(), error.headers
    if not body:
        return status, None, fields
    assert fields["Content-Type"].startswith("application/fhir+json"), fields["Content-Type"]
    resource = json.loads(body)
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return status, resource, fields


def found(path):
    status, bundle, _ = ask(path)
    assert status == 200, (path, status, bundle)
    return [entry["resource"] for entry in bundle.get("entry", [])]


def every(kind):
    """Every page of a kind, one resource a page more than once."""
    url, seen = f"{kind}?_count=7", []
    while url:
        _, bundle, _ = ask(url)
        seen += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return seen


status, statement, _ = ask("metadata", known=False)
assert status == 200 and statement["fhirVersion"] == "4.0.1"
kinds = [resource["type"] for resource in statement["rest"][0]["resource"]]
assert len(kinds) == 6, kinds
for kind in kinds:
    ids = every(kind)
    assert ids and len(ids) == len(set(ids)), (kind, ids)
    status, one, headers = ask(f"{kind}/{ids[0]}")
    assert status == 200 and one["id"] == ids[0], (kind, status)
    assert ask(f"{kind}/{ids[0]}", {"If-None-Match": headers["ETag"]})[0] == 304
    assert ask(f"{kind}/{ids[0]}/_history")[0] == 200
    changed = found(f"{kind}/_history?_since=2000-01-01T00:00:00Z&_count=200")
    assert len(changed) == len(ids), (kind, len(changed), len(ids))
    assert not found(f"{kind}/_history?_since=2999-01-01T00:00:00Z")

(doctor,) = found("Practitioner?family=GARNIER")
assert doctor["id"] == found("Practitioner?name=garn")[0]["id"]
assert not found("Practitioner?family:exact=garnier")
number = next(i["value"] for i in doctor["identifier"] if i["system"] == "https://rpps.esante.gouv.fr")
for value in (number, f"https://rpps.esante.gouv.fr|{number}", f"urn:oid:1.2.250.1.71.4.2.1|8{number}"):
    quoted = urllib.parse.quote(value)
    assert [one["id"] for one in found(f"Practitioner?identifier={quoted}")] == [doctor["id"]]
bundle = found(
    f"PractitionerRole?practitioner=Practitioner/{doctor['id']}"
    "&_include=PractitionerRole:practitioner&_include=PractitionerRole:organization"
    "&_include=PractitionerRole:endpoint"
)
assert {one["resourceType"] for one in bundle} >= {"PractitionerRole", "Practitioner", "Endpoint"}
endpoint = next(one for one in bundle if one["resourceType"] == "Endpoint")
assert endpoint["address"].startswith("mailto:"), endpoint
certificate = [e for e in endpoint["extension"] if e["url"].endswith("as-ext-digital-certificate")]
assert certificate, endpoint
homes = [one for one in found("Organization?name=ehpad") if "illeul" in one["name"]]
assert homes, "the EHPAD is found by its name"
assert found(f"Location?organization=Organization/{homes[0]['id']}")
assert [one["id"] for one in found("Organization?name:contains=illeul")] == [homes[0]["id"]]

part = next(one for one in found("Organization?_count=200") if "partOf" in one)
parts = found(f"Organization?partof={part['partOf']['reference']}")
assert part["id"] in [one["id"] for one in parts], parts
assert all(one["partOf"] == part["partOf"] for one in parts), parts
placed = next(one for one in found("Location?_count=200") if "position" in one)
north, east = placed["position"]["latitude"], placed["position"]["longitude"]
near = found(f"Location?near={north}%7C{east}%7C1%7Ckm&_count=200")
assert placed["id"] in [one["id"] for one in near], near
assert not found(f"Location?near={north - 20}%7C{east}%7C5%7Ckm")
assert not found(f"PractitionerRole?location.near={north - 20}%7C{east}")

form = b"family=garnier"
kind = {"Content-Type": "application/x-www-form-urlencoded"}
status, bundle, _ = ask("Practitioner/_search", kind, form)
assert status == 200 and bundle["entry"][0]["resource"]["id"] == doctor["id"]

status, answer, _ = ask(f"$find-recipient?rpps={number}")
finding = {one["name"]: one for one in answer["parameter"]}
assert status == 200 and finding["finding"]["valueCode"] == "found", answer
posted = {"resourceType": "Parameters", "parameter": [{"name": "rpps", "valueString": number}]}
same = ask("$find-recipient", {"Content-Type": "application/fhir+json"}, json.dumps(posted).encode())
assert same[1] == answer
query = json.dumps({"by": {"rpps": number}}).encode()
request = urllib.request.Request(
    f"https://127.0.0.1:{port}/v1/resolve", query, {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request, context=tls, timeout=30) as response:
    resolved = json.load(response)
parts = {part["name"]: part.get("valueString") for part in finding["recipient"]["part"]}
assert parts["address"] == resolved["finding"]["found"]["mailbox"]["address"]
assert [p["part"][1]["valueString"] for p in answer["parameter"] if p["name"] == "reason"] == [
    reason["text"] for reason in resolved["reasons"]
]

for path, expected in (
    ("Practitioner?nonsense=1", 400),
    ("Practitioner?family:near=x", 400),
    ("Practitioner?_lastUpdated=yesterday", 400),
    ("Practitioner?_count=many", 400),
    ("Practitioner?_include=Practitioner:all", 400),
    ("Practitioner?name=%ff", 400),
    ("Location?near=48", 400),
    ("Location?near=48%7C4%7C9000", 400),
    ("PractitionerRole?practitioner=Organization/1", 400),
    ("Practitioner/not-a-number", 404),
    ("Practitioner/00000000-0000-0000-0000-000000000000", 404),
    ("Patient?name=x", 404),
    ("Practitioner/a/b/c", 404),
    ("$find-recipient?rpps=1", 400),
    ("$find-recipient", 400),
):
    status, outcome, _ = ask(path)
    assert status == expected, (path, status)
    assert outcome["resourceType"] == "OperationOutcome", (path, outcome)
assert ask("Practitioner?name=garnier", known=False)[0] == 401
print("parsed")
