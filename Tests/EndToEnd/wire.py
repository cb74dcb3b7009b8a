"""Clients of the vault's wire that share no code with it: TLS by Python's ssl, HTTP by http.client or by hand."""
import http.client
import json
import re
import socket
import ssl
import threading


class Answer:
    """One final answer. Header and trailer names are in lower case; a repeated one is an error of the server."""

    def __init__(self, status, headers, body, trailers=None, interim=(), is_chunked=False):
        self.status = status
        self.headers = headers
        self.body = body
        self.trailers = trailers or {}
        self.interim = list(interim)
        self.is_chunked = is_chunked

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self):
        """The code of a problem, None for a success."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        problem = self.json()
        assert problem["status"] == self.status, problem
        return problem["code"]

    @property
    def lines(self):
        """The lines of a bulk answer; each one must end with LF."""
        assert self.body == b"" or self.body.endswith(b"\n")
        return self.body.decode("ascii").splitlines()

    @property
    def outcome(self):
        """Status and code, as tests compare them: (200, None), (404, "not_found")."""
        return self.status, self.code

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


class AnswerReader:
    """Reads answers strictly from `receive(count)`, which gives b"" at the end. Any deviation raises
    `ProtocolError`.
    """

    def __init__(self, receive):
        self.receive = receive
        self.buffer = b""

    def answer(self, *, to_head=False):
        """The next final answer, None at a clean end. `to_head`: the answer to a HEAD request, which has no body."""
        head = self.head()
        if head is None:
            return None
        status, headers, interim = head
        if to_head:
            return Answer(status, headers, b"", interim=interim)
        if headers.get("transfer-encoding") == "chunked":
            pieces = list(self.chunks())
            return Answer(status, headers, b"".join(pieces), self.trailers, interim, is_chunked=True)
        if "content-length" not in headers:
            raise ProtocolError(f"an answer without a length: {headers}")
        return Answer(status, headers, self.exactly(int(headers["content-length"])), interim=interim)

    def head(self):
        """Status, header fields and interim statuses of the next final answer; None at a clean end."""
        interim = []
        while True:
            block = self.until(b"\r\n\r\n", or_end=not interim)
            if block is None:
                return None
            first, *rest = block[:-4].split(b"\r\n")
            match = re.fullmatch(rb"HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]*", first)
            if not match:
                raise ProtocolError(f"status line {first!r}")
            headers = self.fields(rest)
            status = int(match[1])
            if status >= 200:
                return status, headers, interim
            interim.append(status)

    def chunks(self):
        """The chunks of a chunked body as they come; afterwards `trailers` holds its trailer."""
        self.trailers = {}
        while True:
            line = self.until(b"\r\n")[:-2]
            if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", line):
                raise ProtocolError(f"chunk size {line!r}")
            size = int(line, 16)
            if size == 0:
                rows = []
                while (row := self.until(b"\r\n")[:-2]) != b"":
                    rows.append(row)
                self.trailers = self.fields(rows)
                return
            data = self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise ProtocolError("chunk without CRLF behind it")
            yield data

    def rest(self):
        """Everything up to the end of the connection."""
        pieces = [self.buffer]
        self.buffer = b""
        while piece := self.receive(65536):
            pieces.append(piece)
        return b"".join(pieces)

    def exactly(self, count):
        """So many bytes."""
        pieces, have = [self.buffer], len(self.buffer)
        while have < count:
            piece = self.receive(65536)
            if not piece:
                raise ProtocolError(f"ended after {have} of {count} bytes")
            pieces.append(piece)
            have += len(piece)
        everything = b"".join(pieces)
        self.buffer = everything[count:]
        return everything[:count]

    def until(self, mark, or_end=False):
        """Bytes up to and including `mark`; None at an end before the first byte where `or_end` allows it."""
        while mark not in self.buffer:
            piece = self.receive(65536)
            if not piece:
                if or_end and not self.buffer:
                    return None
                raise ProtocolError(f"ended in the middle: {self.buffer[:200]!r}")
            self.buffer += piece
            if len(self.buffer) > 1 << 20:
                raise ProtocolError("a header of over 1 MiB")
        end = self.buffer.index(mark) + len(mark)
        block, self.buffer = self.buffer[:end], self.buffer[end:]
        return block

    @staticmethod
    def fields(rows):
        headers = {}
        for row in rows:
            match = re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e]*?)[ \t]*", row)
            if not match:
                raise ProtocolError(f"header field {row!r}")
            name = match[1].decode().lower()
            if name in headers:
                raise ProtocolError(f"header field {name} twice")
            headers[name] = match[2].decode()
        return headers


class ProtocolError(Exception):
    """The server broke HTTP."""


class Connection:
    """One TLS connection with every byte and every moment in the test's hands.

    Over memory buffers rather than `SSLSocket`, so that it can be closed in one direction (close_notify, then FIN) and
    still be read, and so that one thread may send while another reads.
    """

    def __init__(self, connected, context, hostname="localhost"):
        self.socket = connected
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._lock = threading.Lock()
        self._ended = False
        #: Whether the end came with close_notify, so that nothing can have been cut off on the way.
        self.ended_with_notice = False
        self.reader = AnswerReader(self.receive)
        self._handshake()

    def _handshake(self):
        while True:
            try:
                self._tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                received = self.socket.recv(65536)
                if not received:
                    raise ConnectionResetError("closed during the handshake") from None
                self._incoming.write(received)
            except ssl.SSLError:
                self._flush()
                raise

    def _flush(self):
        if pending := self._outgoing.read():
            self.socket.sendall(pending)

    def send(self, data):
        """Sends all of it; blocks while the server does not read."""
        view = memoryview(data)
        for start in range(0, len(view), 16384):
            with self._lock:
                self._tls.write(view[start : start + 16384])
                pending = self._outgoing.read()
            self.socket.sendall(pending)

    def receive(self, count=65536):
        """Bytes as they come, b"" when the server closed its direction or reset the connection."""
        while not self._ended:
            with self._lock:
                try:
                    if data := self._tls.read(count):
                        return data
                    self._ended = self.ended_with_notice = True
                    break
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    self._ended = self.ended_with_notice = True
                    break
            try:
                received = self.socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                received = b""  # A reset is an end too; `ended_with_notice` tells the difference.
            with self._lock:
                if received:
                    self._incoming.write(received)
                else:
                    self._ended = True
        return b""

    def more(self, seconds):
        """Waits for further bytes for `reader`: False when none came in this time, True at bytes or at the end."""
        if self.socket.fileno() < 0:
            self._ended = True
            return True
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.reader.buffer += self.receive()
            return True
        except TimeoutError:
            return False
        finally:
            if self.socket.fileno() >= 0:
                self.socket.settimeout(before)

    @property
    def has_ended(self):
        """Whether the server closed its direction, as far as was read."""
        return self._ended

    def request(self, path, body=b"", *, type="application/json", headers=(), method="POST"):
        """Sends a request with a length and a body of bytes or JSON."""
        self.send(request(path, body, type=type, headers=headers, method=method))

    def answer(self, **options):
        """The next final answer; None when the server closed instead."""
        return self.reader.answer(**options)

    def exchange(self, path, body=b"", **options):
        """A request and its answer."""
        self.request(path, body, **options)
        return self.answer()

    def half_close(self):
        """Says that nothing more will be sent: close_notify and FIN. Reading goes on."""
        with self._lock:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # Wants the server's close_notify, which comes when it comes.
            pending = self._outgoing.read()
        try:
            self.socket.sendall(pending)
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server was quicker, and has closed.

    def abort(self):
        """Ends with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        """Closes the socket."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(path, body=b"", *, type="application/json", headers=(), method="POST", host="vault.internal"):
    """The bytes of a request with Content-Length."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    if type is not None:
        lines.append(f"Content-Type: {type}")
    lines += headers
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunk(data):
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Client:
    """Calls as a service would make them, over Python's http.client with one kept connection."""

    def __init__(self, dial, context):
        self._dial = dial
        self._context = context
        self._connection = None

    def post(self, path, body, *, type="application/json", headers=None):
        """One call; a connection that the server closed after the last answer is made anew, a failed call is not."""
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if self._connection is None:
            self._connection = http.client.HTTPConnection("vault.internal")
            self._connection.sock = self._context.wrap_socket(self._dial(), server_hostname="localhost")
        fields = {"Content-Type": type, **(headers or {})}
        try:
            self._connection.request("POST", path, body=body, headers=fields)
            response = self._connection.getresponse()
            data = response.read()
        except BaseException:
            self.close()
            raise
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)
        if response.will_close:
            self.close()
        return answer

    def close(self):
        """Closes the connection; the next call makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # The calls. Those with a plain name insist on success and give the useful part of the answer.

    def tokenize(self, pan, **fields):
        """The token of a card."""
        return self.tokenized(pan, **fields)["token"]

    def tokenized(self, pan, **fields):
        """The whole answer to a tokenize."""
        return self._success("/v1/tokenize", {"pan": pan, **fields})

    def tokenize_all(self, cards, **fields):
        """The results for a list of PANs or of card objects."""
        cards = [card if isinstance(card, dict) else {"pan": card} for card in cards]
        return self._success("/v1/tokenize", {"cards": cards, **fields})["results"]

    def detokenize(self, token, purpose="charge"):
        """The card number behind a token."""
        return self._success("/v1/detokenize", {"purpose": purpose, "token": token})["pan"]

    def detokenize_all(self, tokens, purpose="charge"):
        """The results for a list of tokens."""
        return self._success("/v1/detokenize", {"purpose": purpose, "tokens": tokens})["results"]

    def inspect(self, token):
        """What may be shown of a token."""
        return self._success("/v1/inspect", {"token": token})

    def forget(self, *tokens):
        """How many tokens were forgotten."""
        return self._success("/v1/forget", {"tokens": list(tokens)})["forgotten"]

    def _success(self, path, body):
        answer = self.post(path, body)
        assert answer.status == 200, f"{path}: {answer}"
        assert answer.headers["content-type"] == "application/json"
        return answer.json()
