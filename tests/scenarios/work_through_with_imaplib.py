"""Works through an INBOX of two notices and a letter: port, authority, user, password."""

import email
import email.policy
import imaplib
import ssl
import sys

port, authority, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


client = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=context, timeout=30)
ok(client.login(user, password))
assert ok(client.select("INBOX")) == [b"3"]
assert ok(client.search(None, "UNSEEN")) == [b"1 2 3"]

# Server side search in French, by a literal (RFC 3501 §6.4.4).
client.literal = "Entrée à l'hôpital".encode()
assert ok(client.search("UTF-8", "SUBJECT")) == [b"1"]
client.literal = "LEFEBVRE".encode()
assert ok(client.search("UTF-8", "BODY")) == [b"1 2"]

# A list of messages as a client shows it: nothing is opened by it.
listed = ok(client.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])"))
assert sum(isinstance(part, tuple) for part in listed) == 3, listed
assert ok(client.search(None, "UNSEEN")) == [b"1 2 3"]

# The second is opened.
(head, octets), _ = ok(client.fetch("2", "(RFC822.SIZE BODY[])"))[:2]
assert b"RFC822.SIZE %d" % len(octets) in head, head
notice = email.message_from_bytes(octets, policy=email.policy.default)
assert not notice.defects, notice.defects
assert "Retour à l'EHPAD" in notice["Subject"], notice["Subject"]
assert notice["X-Liaison-Verification"] == "verified"
assert notice["X-Liaison-Note"].startswith("signature vérifiée"), notice["X-Liaison-Note"]
assert notice["From"].addresses[0].addr_spec == "avis@ch-valombre.test"
text = notice.get_body().get_content()
assert "LEFEBVRE" in text and "ARRIVÉE" in text, text
assert ok(client.search(None, "UNSEEN")) == [b"1 3"]
stored = ok(client.store("2", "+FLAGS", "(\\Flagged)"))
assert b"\\Flagged" in stored[0] and b"\\Seen" in stored[0], stored

# A copy of a reply is filed where the server says that sent mail goes.
folders = [line.decode() for line in ok(client.list())]
sent = next(line.split(' "/" ')[1] for line in folders if "\\Sent" in line)
reply = b"From: %s\r\nSubject: copie\r\n\r\n.\r\n\xc3\xa9crit  \r\n" % user.encode()
appended = ok(client.append(sent, "(\\Seen)", None, reply))
assert b"APPENDUID" in appended[0], appended
ok(client.select(sent, readonly=True))
assert ok(client.fetch("1", "(BODY.PEEK[])"))[0][1] == reply
assert client.store("1", "+FLAGS", "(\\Flagged)")[0] == "NO", "the folder was opened read-only"

# The letter is deleted for good.
assert ok(client.select("INBOX")) == [b"3"]
ok(client.store("3", "+FLAGS.SILENT", "(\\Deleted)"))
assert ok(client.expunge()) == [b"3"]
assert ok(client.status("INBOX", "(MESSAGES UNSEEN)"))[0].endswith(b"(MESSAGES 2 UNSEEN 1)")
client.logout()
print("worked through")
