"""Python's ldap3 searches the directory as mail clients do, and prints what it found.

Arguments: port, authority (PEM), suffix, user, password.
"""

import ssl
import sys

from ldap3 import ALL, SUBTREE, Connection, Server, Tls

port, authority, suffix, user, password = sys.argv[1:6]
tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=authority, valid_names=["127.0.0.1", "localhost"])
server = Server("127.0.0.1", port=int(port), use_ssl=True, tls=tls, get_info=ALL)


def found(connection, filter_text, attributes=None):
    connection.search(suffix, filter_text, SUBTREE, attributes=attributes or ["cn", "mail"])
    return connection.entries


stranger = Connection(server, raise_exceptions=False)
assert stranger.bind()
assert server.info.naming_contexts == [suffix], server.info.naming_contexts
assert "inetOrgPerson" in server.schema.object_classes, "the schema is read"
assert not stranger.search(suffix, "(cn=*garnier*)") or not stranger.entries
assert stranger.result["description"] == "insufficientAccessRights", stranger.result
stranger.unbind()

wrong = Connection(server, user=f"uid={user},ou=comptes,{suffix}", password="wrong")
assert not wrong.bind()
assert wrong.result["description"] == "invalidCredentials", wrong.result
wrong.unbind()

for name in (user, f"uid={user},ou=comptes,{suffix}"):
    connection = Connection(server, user=name, password=password, auto_bind=True)
    assert connection.extend.standard.who_am_i() == f"u:{user}"
    (entry,) = found(connection, "(|(cn=*garn*)(mail=*garn*)(givenName=*garn*)(sn=*garn*))")
    assert "claire.garnier@cabinet-riviere.test" in entry.mail.values, entry
    (entry,) = found(
        connection,
        "(mail=claire.garnier@cabinet-riviere.test)",
        ["userCertificate;binary"],
    )
    certificate = entry["userCertificate;binary"].raw_values[0]
    assert certificate[:1] == b"\x30", "a certificate in DER"
    typed = "(|(cn=*lefevre*)(mail=*nobody*)(givenName=*lefevre*)(sn=*lefevre*))"
    (entry,) = found(connection, typed, ["cn", "sn", "givenName", "mail"])
    assert entry.sn.value == "LEFÈVRE" and entry.givenName.value == "Hélène", entry
    assert not found(connection, "(sn=personne-de-ce-nom)")
    assert connection.result["description"] == "success", connection.result
    assert not connection.delete(entry.entry_dn)
    assert connection.result["description"] == "unwillingToPerform", connection.result
    pages = connection.extend.standard.paged_search(
        suffix, "(cn=*valombre*)", SUBTREE, attributes=["cn"], paged_size=2, generator=False
    )
    names = [page["dn"] for page in pages]
    assert len(names) == len(set(names)) and len(names) > 2, names
    connection.unbind()

print("found")
