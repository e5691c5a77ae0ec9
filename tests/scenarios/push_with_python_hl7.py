"""Pushes an admission in the clear and a discharge over TLS: port, TLS port, authority, folder."""

import pathlib
import socket
import ssl
import sys

import hl7
from hl7.client import MLLPClient

plain, secured, authority, folder = sys.argv[1:]
socket.setdefaulttimeout(30)


def message(name):
    text = pathlib.Path(folder, name).read_bytes().decode("ascii")
    # Accents and a receiver of its own, so that what the answer swaps can be told apart.
    text = text.replace("LEFEBVRE^", "LEFÈVRE-NŒUF^").replace("|LIAISON|CH-VALOMBRE|", "|LIAISON|PASSERELLE|")
    return hl7.parse(text)


def push(client, sent):
    answer = hl7.parse(client.send_message(sent).decode("iso8859-15").strip("\x0b\x1c\r") + "\r")
    asked, told = sent.segment("MSH"), answer.segment("MSH")
    assert (str(told[3]), str(told[4])) == (str(asked[5]), str(asked[6])) == ("LIAISON", "PASSERELLE"), told
    assert (str(told[5]), str(told[6])) == (str(asked[3]), str(asked[4])) == ("GAM", "CH-VALOMBRE"), told
    assert str(told[9][0][0]) == "ACK" and str(told[9][0][1]) == str(asked[9][0][1]), told
    assert str(told[11]) == str(asked[11]) and str(told[10]), told
    # Enhanced mode, accept level: the message asks for it in MSH-15 (HL7 v2.5 §2.9.3).
    acknowledgement = answer.segment("MSA")
    assert str(acknowledgement[1]) == "CA", answer
    assert str(acknowledgement[2]) == str(asked[10]), answer
    print(acknowledgement[2], "taken")


with MLLPClient("127.0.0.1", int(plain), encoding="iso8859-15") as client:
    push(client, message("a01-admission.hl7"))

with MLLPClient("127.0.0.1", int(secured), encoding="iso8859-15") as client:
    context = ssl.create_default_context(cafile=authority)
    client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
    push(client, message("a03-return-to-nursing-home.hl7"))
