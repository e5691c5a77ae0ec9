"""Fetches the newest notice and replies to it with a file: IMAP port, submission port, authority,
user, password, own address, the ward's address."""

import email
import email.message
import email.policy
import imaplib
import smtplib
import ssl
import sys

imaps, submissions, authority, user, password, own, ward = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
box = imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=context, timeout=30)
box.login(user, password)
status, (count,) = box.select("INBOX", readonly=True)
assert status == "OK"
_, data = box.fetch(count, "(BODY.PEEK[])")
notice = email.message_from_bytes(data[0][1], policy=email.policy.default)
box.logout()
assert "traitement en cours" in notice.get_body(("plain",)).get_content()

reply = email.message.EmailMessage()
reply["From"] = own
reply["To"] = ward
reply["Subject"] = "Re: " + notice["Subject"]
reply["In-Reply-To"] = notice["Message-ID"]
reply["References"] = notice["Message-ID"]
reply.set_content("Voici le traitement en cours.\n")
reply.add_attachment(b"%PDF-1.4\n", maintype="application", subtype="pdf", filename="traitement.pdf")
with smtplib.SMTP_SSL("127.0.0.1", int(submissions), context=context, timeout=30) as line:
    line.login(user, password)
    assert line.send_message(reply) == {}
print("answered")
