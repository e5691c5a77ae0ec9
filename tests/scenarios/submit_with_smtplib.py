"""Submits the message on standard input: port, authority, user, password, from, to."""

import smtplib
import ssl
import sys

port, authority, user, password, sender, recipient = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
with smtplib.SMTP_SSL("127.0.0.1", int(port), local_hostname="client.test", timeout=30, context=context) as server:
    server.login(user, password)
    assert server.has_extn("8bitmime")
    refused = server.sendmail(sender, [recipient], sys.stdin.buffer.read(), mail_options=["BODY=8BITMIME"])
    assert not refused, refused
