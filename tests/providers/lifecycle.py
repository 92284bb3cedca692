"""What the Python providers share: arguments, the ready line, the count of token calls, and an end without orphans."""

import argparse
import io
import json
import os
import signal
import stat
import sys
import threading
import time
from collections import Counter
from urllib.parse import parse_qs

from waitress import create_server

USER = {
    "username": "alice",
    "password": "password",
    "email": "alice@example.com",
    "groups": ["editors", "staff"],
}


def arguments(description):
    """The options that every provider takes; see README.md."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--redirect-uri", action="append", default=None)
    parser.add_argument("--access-token-ttl", type=int, default=3600)
    parser.add_argument("--token-delay-ms", type=int, default=0)
    return parser


def redirect_uris(options):
    return options.redirect_uri or ["http://localhost:4180/oauth2/callback"]


class Counted:
    """A WSGI application whose token, revocation and user calls are counted; `/__count` says how many."""

    def __init__(self, app, paths, delay_ms):
        self.app, self.paths, self.delay = app, paths, delay_ms / 1000
        self.lock = threading.Lock()
        self.calls, self.by_grant, self.refused = Counter(), Counter(), Counter()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/__count":
            return self.answer(start_response)
        call = self.paths.get(path)
        if call != "token":
            self.tally(call)
            return self.app(environ, start_response)
        time.sleep(self.delay)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        grant = parse_qs(body.decode("utf-8", "replace")).get("grant_type", ["unknown"])[0]

        def started(status, headers, *rest):
            self.tally(call, grant, status)
            return start_response(status, headers, *rest)

        return self.app(environ, started)

    def tally(self, call, grant=None, status="200"):
        with self.lock:
            if call:
                self.calls[call] += 1
            if grant:
                self.by_grant[grant] += 1
                if status >= "400":
                    self.refused[grant] += 1

    def answer(self, start_response):
        with self.lock:
            counts = {
                "token": self.calls["token"],
                "by_grant": self.by_grant,
                "refused": self.refused,
                "revoke": self.calls["revoke"],
                "me": self.calls["me"],
            }
            body = json.dumps(counts).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def serve(app, paths, options, describe, at_end=lambda: None):
    """Binds 127.0.0.1, prints the ready line that `describe(issuer)` gives, serves until SIGTERM or the end of stdin."""
    counted = Counted(app, paths, options.token_delay_ms)
    server = create_server(counted, host="127.0.0.1", port=options.port, threads=16, connection_limit=1000)
    issuer = f"http://127.0.0.1:{server.effective_port}"

    def end(*_):
        at_end()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if stat.S_ISFIFO(os.fstat(0).st_mode) or stat.S_ISSOCK(os.fstat(0).st_mode):
        threading.Thread(target=lambda: (drain(0), end()), daemon=True).start()
    line = {"ready": True, "issuer": issuer, "count_endpoint": f"{issuer}/__count"}
    line |= {"user": {name: USER[name] for name in ("username", "password")}}
    print(json.dumps(line | describe(issuer)), flush=True)
    try:
        server.run()
    finally:
        at_end()


def drain(descriptor):
    """Returns once the other end of the pipe is gone."""
    while os.read(descriptor, 4096):
        pass


if __name__ == "__main__":
    sys.exit("This file is imported by django/server.py and authlib/server.py.")
