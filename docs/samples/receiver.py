#!/usr/bin/python3
"""Receives the notifications of a schedule. Run it as WAYBILL_NOTIFY_SECRET=whsec_... receiver.py PORT. A notification
can arrive more than once, with the same webhook-id."""
import base64
import hashlib
import hmac
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WAYBILL_NOTIFY_SECRET"].removeprefix("whsec_"))


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds without data from the sender

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        message_id, timestamp, signatures = (
            self.headers.get(f"webhook-{name}", "").encode("latin-1") for name in ("id", "timestamp", "signature"))
        digest = hmac.digest(KEY, message_id + b"." + timestamp + b"." + body, hashlib.sha256)
        valid = any(hmac.compare_digest(b"v1," + base64.b64encode(digest), one) for one in signatures.split())
        if valid and abs(time.time() - int(timestamp)) <= 300:
            print(body.decode(), flush=True)
            self.send_response(204)
        else:
            self.send_response(401)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
