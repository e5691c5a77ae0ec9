"""Drives the IMAP door with Python's imaplib: port, root certificate, user, password."""

import imaplib
import ssl
import sys

port, root, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile=root)


def connect():
    return imaplib.IMAP4_SSL("localhost", port, ssl_context=context)


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


wrong = connect()
try:
    wrong.login(user, "wrong")
    raise SystemExit("a wrong password was let in")
except imaplib.IMAP4.error as error:
    assert b"AUTHENTICATIONFAILED" in error.args[0], error

client = connect()
ok(client.login(user, password))
for capability in ("IDLE", "UIDPLUS", "MOVE", "SPECIAL-USE", "NAMESPACE", "UNSELECT"):
    assert capability in client.capability()[1][0].decode(), capability

folders = b"\n".join(ok(client.list()))
for expected in (b'"INBOX"', b'\\Sent) "/" "Envoy&AOk-s"', b"\\Drafts", b"\\Trash", b"\\Junk"):
    assert expected in folders, (expected, folders)
assert len(ok(client.lsub())) == 5
ok(client.namespace())

before = int(ok(client.select("INBOX"))[0])
message = b"From: a@ch.test\r\nTo: b@ehpad.test\r\nSubject: octets\r\n\r\n" + b"\r\n.\r\n{3}\r\n" * 40000
flags = "(\\Flagged $Label1)"
appended = ok(client.append("INBOX", flags, None, message))
assert b"APPENDUID" in appended[0], appended
assert int(client.response("EXISTS")[1][-1]) == before + 1

number = str(before + 1)
data = ok(client.fetch(number, "(FLAGS RFC822.SIZE BODY.PEEK[])"))
assert data[0][1] == message, "the octets changed"
assert b"RFC822.SIZE %d" % len(message) in data[0][0], data[0][0]
assert b"\\Flagged" in data[0][0] and b"\\Seen" not in data[0][0] and b"$Label1" in data[0][0]
text = message.partition(b"\r\n\r\n")[2]
assert ok(client.fetch(number, "(BODY.PEEK[TEXT]<4.5>)"))[0][1] == text[4:9]

assert ok(client.search(None, "SUBJECT", "octets")) == [number.encode()]
assert ok(client.search(None, "UNSEEN", "FLAGGED")) == [number.encode()]
assert ok(client.search(None, "KEYWORD", "$Label1", "LARGER", "100000")) == [number.encode()]
assert ok(client.search(None, "NOT", "FLAGGED", "SUBJECT", "octets")) == [b""]
client.literal = "prévue".encode()
assert b"1" in ok(client.search("UTF-8", "SUBJECT"))[0].split(), "the encoded subject was not found"

stored = ok(client.store(number, "+FLAGS", "(\\Seen)"))
assert b"\\Seen" in stored[0], stored
uid = ok(client.fetch(number, "(UID)"))[0].split()[2].strip(b")").decode()
ok(client.uid("COPY", uid, "Corbeille"))
assert client.response("COPYUID")[1][0].endswith(uid.encode() + b" 1"), "COPYUID is missing"
ok(client.store(number, "+FLAGS", "(\\Deleted)"))
assert ok(client.expunge()) == [number.encode()]

ok(client.create("Patients/&AMk-t&AOk-"))
ok(client.rename("Patients", "R&AOk-sidents"))
ok(client.status("R&AOk-sidents/&AMk-t&AOk-", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))
assert client.select('"Nulle part"')[0] == "NO"
assert client.delete("Corbeille")[0] == "NO"
ok(client.delete("R&AOk-sidents/&AMk-t&AOk-"))
ok(client.select("INBOX", readonly=True))
assert client.store("1", "+FLAGS", "(\\Seen)")[0] == "NO"
client.logout()
print("imaplib: done")
