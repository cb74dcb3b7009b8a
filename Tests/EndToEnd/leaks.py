"""Searches files and texts for card numbers, as digits and as the integers a program might hold them in."""
import array
import os
import pathlib
import sys

#: Leaves digits, and makes all other bytes white space: splitting then gives the runs of digits, far faster than `re`.
_DIGITS_ALONE = bytes(byte if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
#: An integer with more zero bytes, such as that of a short number or 2^63 + 1, stands in many a file by chance.
_ZERO_BYTES_MAX = 2


class Scanner:
    """Finds any of a set of card numbers: ASCII and UTF-16 digits, 64-bit integers of both byte orders at any
    offset.
    """

    def __init__(self, pans):
        self.pans = set(pans)
        self.lengths = sorted({len(pan) for pan in pans})
        self.integers = {
            int(pan) for pan in pans if int(pan).to_bytes(8, "little").count(0) <= _ZERO_BYTES_MAX}
        self.bytes_read = 0

    def text(self, data):
        """The card numbers that stand in `data` as digits, also inside longer runs of digits."""
        found = set()
        # As they are, and every second byte: the digits of UTF-16, whatever stands between them.
        for view in (data, data[::2], data[1::2]):
            for run in view.translate(_DIGITS_ALONE).split():
                if len(run) >= self.lengths[0]:
                    found |= self._within(run)
        return found

    def _within(self, run):
        digits = run.decode()
        return {
            digits[start : start + length] for length in self.lengths for start in range(len(digits) - length + 1)
        } & self.pans

    def binary(self, data):
        """The card numbers that stand in `data` as 64-bit integers."""
        found = set()
        for offset in range(8):
            end = offset + (len(data) - offset) // 8 * 8
            words = array.array("Q", data[offset:end])
            for _ in range(2):
                if not self.integers.isdisjoint(words):
                    found |= {str(number) for number in self.integers & set(words)}
                words.byteswap()
        return found

    def data(self, data, integers=True):
        """Both."""
        self.bytes_read += len(data)
        return self.text(data) | (self.binary(data) if integers else set())

    def file(self, path, integers=True):
        """Both, in a file, read piece by piece so that nothing at a seam is missed. A file that is gone holds
        nothing.
        """
        found, tail = set(), b""
        try:
            with open(path, "rb") as file:
                while piece := file.read(4 << 20):
                    found |= self.data(tail + piece, integers)
                    tail = piece[-40:]
        except (FileNotFoundError, PermissionError, OSError) as error:
            if not isinstance(error, FileNotFoundError) and os.path.isfile(path):
                raise
        return found

    def tree(self, directory, integers=True):
        """What is found below a directory: path to card numbers."""
        hits = {}
        for path in pathlib.Path(directory).rglob("*"):
            if path.is_file() and not path.is_symlink():
                if found := self.file(path, integers):
                    hits[str(path)] = found
            if found := self.text(path.name.encode(errors="surrogateescape")):
                hits[f"name of {path}"] = found
        return hits


def mapped_files(pid):
    """Paths on disk that a process has mapped."""
    paths = set()
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/") and not fields[5].endswith(" (deleted)"):
            paths.add(fields[5])
    return paths


def core_directory(working_directory):
    """Where the kernel would write a core file of a process; None where it hands cores to a program."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|"):
        return None
    return pathlib.Path(pattern).parent if pattern.startswith("/") else pathlib.Path(working_directory)


def memory(pid):
    """The writable memory of a process, region by region: name and bytes. Needs the right to trace it."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            name = fields[5] if len(fields) == 6 else "anonymous"
            if "w" not in fields[1] or name.startswith("[v") or name.startswith("/"):
                continue
            try:
                file.seek(start)
                yield name, file.read(end - start)
            except OSError:
                continue


if __name__ == "__main__":
    # leaks.py FILE-OF-PANS PATH...: for a look by hand.
    scanner = Scanner(pathlib.Path(sys.argv[1]).read_text().split())
    for argument in sys.argv[2:]:
        hits = scanner.tree(argument) if os.path.isdir(argument) else {argument: scanner.file(argument)}
        for place, found in hits.items():
            print(place, len(found))
