"""One-time codes as a telephone makes them (RFC 6238), for tests of the second factor."""
import base64
import hashlib
import hmac
import re
import struct
import time
import urllib.parse

PERIOD = 30


class Generator:
    """The codes of one secret, each from a later step than the one before: the vault takes none twice."""

    def __init__(self, address):
        parts = urllib.parse.urlsplit(address)
        assert (parts.scheme, parts.netloc) == ("otpauth", "totp"), parts
        query = urllib.parse.parse_qs(parts.query)
        assert set(query) == {"secret", "issuer"}, "everything else is at its default"
        self.label = urllib.parse.unquote(parts.path[1:])
        self.issuer = query["issuer"][0]
        assert re.fullmatch("[A-Z2-7]{32}", query["secret"][0])
        self.secret = query["secret"][0]
        self._key = base64.b32decode(self.secret)
        self._last = 0

    def at(self, step):
        """The code of a step."""
        digest = hmac.new(self._key, struct.pack(">Q", step), hashlib.sha1).digest()
        start = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[start:start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"

    def next(self):
        """A code that the vault has not seen; three at once, then one every 30 seconds."""
        step = max(self._last + 1, int(time.time()) // PERIOD - 1)
        # A moment is left for the vault, so that the step is not over when it looks.
        while step > int(time.time()) // PERIOD + 1 or (
                step == int(time.time()) // PERIOD - 1 and time.time() % PERIOD > PERIOD - 3):
            time.sleep(0.2)
            step = max(self._last + 1, int(time.time()) // PERIOD - 1)
        self._last = step
        return self.at(step)

    def wrong(self):
        """A code that is none of those the vault may take now."""
        now = int(time.time()) // PERIOD
        near = {self.at(step) for step in range(now - 3, now + 4)}
        return next(code for code in (f"{number:06}" for number in range(20)) if code not in near)
