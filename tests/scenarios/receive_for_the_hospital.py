"""A hospital system that is told what became of notices: it answers as it is told to.

Arguments: mllp | https, the file of answers (one a message: the code of an acknowledgement or the
status of a response, `close`, `hang`), and for https the certificate and the key. It prints the
port that it listens on, then one line for each message: the answer, and what the message says.
What is answered once the file is used up is AA, or 201.
"""

import http.server
import json
import socketserver
import ssl
import sys
import threading
import time

import hl7

kind, answers = sys.argv[1], open(sys.argv[2]).read().split()
lock = threading.Lock()


def next_answer(good):
    with lock:
        return answers.pop(0) if answers else good


def say(*words):
    with lock:
        print(*words, flush=True)


def read_zam(octets):
    """Checks a ZAM as the ANS describes it (ZAM_Z01), with python-hl7."""
    message = hl7.parse(octets.decode("utf-8"))
    msh = message.segment("MSH")
    assert str(msh[9]) in ("ZAM^Z02^ZAM_Z01", "ZAM^Z03^ZAM_Z01"), str(msh[9])
    assert str(msh[12]) == "2.6" and str(msh[17]) == "FRA" and str(msh[18]) == "UNICODE UTF-8"
    assert str(msh[21]) == "2.1^CISIS_CDA_HL7_V2", str(msh[21])
    assert 1 <= len(str(msh[10])) <= 20 and str(msh[11]) == "P"
    assert len(str(message.segment("EVN")[2])) == 14
    first, second = message.segments("OBX")
    read = str(msh[9][0][1]) == "Z03"
    what, who = (
        ("ACK_LECTURE_MSS^Accusé de lecture^AckMetierZAM", "LECTEUR_MSS^Lecteur du courriel MSSanté^AckMetierZAM")
        if read
        else ("ACK_RECEPTION_MSS^Accusé de réception^AckMetierZAM", "DESTINATAIRE_MSS^Destinataire du courriel MSSanté^AckMetierZAM")
    )
    assert (str(first[2]), str(first[3])) == ("CWE", what), str(first)
    assert str(first[5]) in ("Y^^expandedYes-NoIndicator", "N^^expandedYes-NoIndicator")
    assert (str(second[2]), str(second[3])) == ("XTN", who), str(second)
    assert str(first[11]) == str(second[11]) == "F"
    address = str(second[5])
    assert address.startswith("^^X.400^") and "@" in address, address
    return str(msh[10]), f"{msh[9][0][1]} {first[4]} {first[5][0][0]} {address[8:]}", msh


class Mllp(socketserver.StreamRequestHandler):
    def handle(self):
        buffer = b""
        while True:
            chunk = self.request.recv(65536)
            if not chunk:
                return
            buffer += chunk
            while b"\x1c\r" in buffer:
                frame, buffer = buffer.split(b"\x1c\r", 1)
                assert frame[:1] == b"\x0b" and frame.endswith(b"\r"), frame
                control, words, msh = read_zam(frame[1:])
                answer = next_answer("AA")
                say(answer, words)
                if answer == "close":
                    return
                if answer == "hang":
                    time.sleep(120)
                    return
                ack = (
                    f"MSH|^~\\&|{msh[5]}|{msh[6]}|{msh[3]}|{msh[4]}|20261121215503||ACK^{msh[9][0][1]}^ACK|A{control}|P|2.6\r"
                    f"MSA|{answer}|{control}\r"
                )
                # A stale answer first: it belongs to another message.
                stale = ack.replace(f"MSA|{answer}|{control}", "MSA|AA|stale")
                for text in (stale, ack):
                    self.request.sendall(b"\x0b" + text.encode() + b"\x1c\r")
                    time.sleep(0.05)


class Https(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Content-Type"] == "application/fhir+json":
            from fhir.resources.R4B.task import Task

            task = Task.model_validate(body)
            assert task.identifier[0].value == self.headers["Idempotency-Key"]
            assert self.headers["If-None-Exist"].endswith(task.identifier[0].value)
            words = f"{task.status} {task.basedOn[0].identifier.value} {task.owner.identifier.value}"
        else:
            assert body["id"] == self.headers["Idempotency-Key"]
            words = f"{body['state']} {body['message']} {body['recipient']}"
        answer = next_answer("201")
        say(answer, words)
        if answer == "close":
            self.close_connection = True
            self.connection.close()
            return
        if answer == "hang":
            time.sleep(120)
            return
        self.send_response(int(answer))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, address):
        kind, error, _ = sys.exc_info()
        if not issubclass(kind, (OSError, ValueError)) or issubclass(kind, AssertionError):
            say("WRONG", repr(error))


server = Server(("127.0.0.1", int(sys.argv[-1])), Mllp if kind == "mllp" else Https)
if kind == "https":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
say("port", server.server_address[1])
server.serve_forever()
