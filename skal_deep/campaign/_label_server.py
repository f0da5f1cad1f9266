"""A server for one page and one annotator, on this machine only."""

import hmac
import json
import os
import secrets
import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from skal_deep.campaign._label_page import page
from skal_deep.campaign._sitting import RefusedError, Sitting

HOST = "127.0.0.1"
_MAX_BODY = 64 * 1024
_DRAINED = 1024 * 1024
_JSON = "application/json"
# The page may run what we wrote and ask us; it loads nothing, and nobody frames it.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
    "img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LabelServer(ThreadingHTTPServer):
    """Serve the page of one annotator.

    It listens on this machine's own address and no other. Whoever asks must know the
    token, which is in the fragment of the address: browsers never send that.

    Parameters
    ----------
    sitting : Sitting
        What is shown.
    port : int, default=0
        Where to listen; 0 takes a free one.

    Attributes
    ----------
    url : str
        The address, with the token.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there, two servers would share a port

    def __init__(self, sitting: Sitting, port: int = 0):
        self.sitting = sitting
        self.token = secrets.token_urlsafe(32)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise OSError(
                f"Port {port} of {HOST} is not free ({error}): pass another --port, or "
                "leave it out."
            ) from error
        own = self.server_address[1]
        self.hosts = {f"{HOST}:{own}", f"localhost:{own}"}
        self.url = f"http://{HOST}:{own}/#{self.token}"

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that go away while they are answered."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def run(self) -> None:
        """Serve until the annotator leaves the page or the user interrupts.

        Nothing is left half written.
        """
        try:
            self.serve_forever(poll_interval=0.2)
        finally:
            self.server_close()
            self.sitting.close()


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "skal_deep", ""
    timeout = 120

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        self._respond(self._post)

    def _respond(self, act: Any) -> None:
        try:
            self._check_sender()
            act()
        except RefusedError as error:
            self._drain()
            self._refuse(error.status, str(error))

    def _check_sender(self) -> None:
        """Refuse what other sites make a browser send."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].strip().lower() not in self.server.hosts:
            raise RefusedError(421, f"This server is {HOST} and nothing else.")
        ours = {f"http://{host}" for host in self.server.hosts}
        origins = self.headers.get_all("Origin") or []
        if any(origin not in ours for origin in origins):
            raise RefusedError(403, "Requests of other sites are refused.")
        site = self.headers.get("Sec-Fetch-Site", "none")
        # A link may open the page, which holds nothing before it knows the token.
        is_link = (
            self.path == "/"
            and self.headers.get("Sec-Fetch-Mode") == "navigate"
            and self.headers.get("Sec-Fetch-Dest") == "document"
        )
        if site not in ("same-origin", "none") and not is_link:
            raise RefusedError(403, "Requests of other sites are refused.")

    def _check_token(self) -> None:
        given = self.headers.get_all("X-Token") or []
        token = given[0] if len(given) == 1 else ""
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise RefusedError(
                401, "The token is wrong: open the address that the command printed."
            )

    def _get(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or (
            "Transfer-Encoding" in self.headers
        ):
            raise RefusedError(400, "A question has no body.")
        if self.path == "/":
            nonce = secrets.token_urlsafe(16)
            html = page(nonce).encode()
            policy = _POLICY.format(nonce=nonce)
            return self._reply(200, html, "text/html; charset=utf-8", policy)
        self._check_token()
        parts = urlsplit(self.path)
        sitting = self.server.sitting
        if parts.path == "/view":
            return self._reply_json(200, sitting.view())
        if parts.path == "/item":
            return self._reply_json(200, sitting.item(_id_of(parts.query)))
        if parts.path == "/image":
            return self._reply(200, *sitting.image(_id_of(parts.query)))
        raise RefusedError(404, "There is no such page.")

    def _post(self) -> None:
        self._check_token()
        said = self._body()
        if self.path == "/answer":
            return self._reply_json(200, self.server.sitting.answer(said))
        if self.path == "/undo":
            return self._reply_json(200, self.server.sitting.undo())
        if self.path == "/leave":
            self._reply_json(200, {"left": self.server.sitting.n_left})
            return self.server.shutdown()
        raise RefusedError(404, "There is no such page.")

    def _body(self) -> dict[str, Any]:
        kind = self.headers.get("Content-Type", "")
        if kind.partition(";")[0].strip().lower() != _JSON:
            raise RefusedError(415, f"Answers come as {_JSON}.")
        lengths = self.headers.get_all("Content-Length") or []
        is_plain = len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdecimal()
        if not is_plain or "Transfer-Encoding" in self.headers:
            raise RefusedError(411, "The length of an answer must be said before it.")
        if int(lengths[0][:20]) > _MAX_BODY:
            raise RefusedError(413, f"An answer has at most {_MAX_BODY} bytes.")
        content = self.rfile.read(int(lengths[0]))
        self._is_read = True
        try:
            said = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "The answer is no JSON.") from error
        if not isinstance(said, dict):
            raise RefusedError(400, "The answer must be one object.")
        return said

    _is_read = False

    def _drain(self) -> None:
        """Read what is refused: whoever still sends would not hear why."""
        if self._is_read:
            return
        length = self.headers.get("Content-Length", "0")
        if length.isascii() and length.isdecimal():
            self.connection.settimeout(1)
            try:
                self.rfile.read(min(int(length[:20]), _DRAINED))
            except OSError:
                return

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True
        self._reply_json(status, {"error": message})

    def _reply_json(self, status: int, content: dict[str, Any]) -> None:
        self._reply(status, json.dumps(content).encode(), _JSON)

    def _reply(
        self, status: int, content: bytes, kind: str, policy: str = "default-src 'none'"
    ) -> None:
        self._is_read = False
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def send_error(self, code: int, *_: Any) -> None:
        """Refuse what is no request, in as few words."""
        self._refuse(code, HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: what is labelled concerns nobody else."""


def _id_of(query: str) -> str:
    try:
        ids = parse_qs(query, strict_parsing=True, errors="strict").get("id", [])
    except ValueError:
        ids = []
    if len(ids) != 1:
        raise RefusedError(404, "One id is needed.")
    return ids[0]
