"""Serves the Keystone of Debian's python3-keystone over TLS until SIGTERM. It listens on a port of 127.0.0.1
that the kernel chose, and prints it. KEYSTONE_CERTIFICATE is the path of its certificate with the key: Keystone parses
the arguments itself. real_keystone.py runs this program with the configuration of a test."""

import os
import ssl
from wsgiref import simple_server

from keystone.server import wsgi


class Handler(simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main(certificate):
    server = simple_server.make_server("127.0.0.1", 0, wsgi.initialize_public_application(), handler_class=Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # such as a client that closes the connection
    print(server.server_port, flush=True)
    server.serve_forever()


main(os.environ["KEYSTONE_CERTIFICATE"])
