"""Reads an audit log the way an outsider would: from docs/AUDIT.md, with nothing of ours but the files."""

import base64
import hashlib
import json
import pathlib


class Log:
    """Every record of a log directory, checked on the way: order, links, segments, and the tree of each checkpoint."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.records = []
        self.leaves = []
        previous, before = "0" * 64, ""
        for path in sorted(self.directory.glob("*.jsonl")):
            data = path.read_bytes()
            assert data.endswith(b"\n"), f"{path.name} ends in the middle of a record"
            for number, line in enumerate(data.splitlines(), 1):
                where = f"{path.name}:{number}"
                record = json.loads(line, object_pairs_hook=members)
                assert record["seq"] == len(self.records) + 1, f"{where}: {record['seq']}"
                assert record["prev"] == previous, f"{where}: the link to the record before"
                if number == 1:
                    assert int(path.stem) == record["seq"] and record["op"] == "segment", where
                    assert record["previous"] == before, where
                    assert record["tree"] == frontier(self.leaves), where
                previous = record["mac"]
                self.records.append(record)
                self.leaves.append(hashlib.sha256(b"\0" + line).digest())
            before = path.name
        self.checkpoints = list(self._checkpoints())
        for record in self.of("outcome"):
            closed = self.records[record["first"] - 1 : record["last"]]
            assert closed and all(one["outcome"] == "intent" for one in closed), f"outcome {record['seq']}"
        for record in self.of("withheld"):
            assert all(one["op"] == "detokenize" for one in self.records[record["first"] - 1 : record["last"]])

    def _checkpoints(self):
        path = self.directory / "checkpoints"
        if not path.exists():
            return
        lines = path.read_text().split("\n")
        for index, line in enumerate(lines):
            if line.startswith("\u2014 "):
                origin, size, root = lines[index - 4 : index - 1]
                assert origin.startswith("strongroom.") and lines[index - 1] == ""
                size = int(size)
                assert size <= len(self.leaves), "a checkpoint speaks of records that are not there"
                assert base64.b64decode(root) == tree(self.leaves[:size]), f"the root at {size}"
                yield size

    def of(self, operation):
        return [record for record in self.records if record["op"] == operation]

    def tokens(self, operation):
        return [token for record in self.of(operation) for token in record.get("tokens", [])]


def members(pairs):
    """A record's members; none may be there twice."""
    assert len({name for name, _ in pairs}) == len(pairs), f"a member twice: {[name for name, _ in pairs]}"
    return dict(pairs)


def tree(leaves):
    """The root of RFC 6962, by its definition."""
    if len(leaves) == 0:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def frontier(leaves):
    """The roots of the complete subtrees, largest first, in hexadecimal."""
    roots, start = [], 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) & 1 << bit:
            roots.append(tree(leaves[start : start + (1 << bit)]).hex())
            start += 1 << bit
    return roots
