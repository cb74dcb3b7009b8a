"""Card numbers for tests: published ones from the vectors, and made ones that pass Luhn."""
import csv
import json
import os
import pathlib
import random

import pytest

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
_SHARED = _REPOSITORY.parent / "shared" / "vectors"
_COPIES = _REPOSITORY / "Tests" / "Vectors"
#: STRONGROOM_VECTORS, else the shared directory beside the checkout, else the copies in it.
VECTORS = pathlib.Path(os.environ.get("STRONGROOM_VECTORS", _SHARED if _SHARED.exists() else _COPIES))


def vector_file(name):
    """The path of a vector file; skips the test, loudly, where it is absent."""
    path = VECTORS / name
    if not path.exists():
        print(f"!!! vectors absent: {path}")
        pytest.skip(f"vectors absent: {name}; set STRONGROOM_VECTORS to their directory")
    return path


def vectors(name):
    """A vector file as JSON."""
    return json.loads(vector_file(name).read_text())


def published_cards():
    """The rows of cards.csv, comment lines left out."""
    with open(vector_file("cards.csv"), newline="") as file:
        return list(csv.DictReader(row for row in file if not row.startswith("#")))


def luhn_digit(digits):
    """The check digit behind `digits`."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2 == 0:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return str(-total % 10)


def passes_luhn(number):
    """Whether the last digit is the check digit of the others."""
    return luhn_digit(number[:-1]) == number[-1]


def make_pan(serial, length=16, prefix="400000"):
    """The `serial`-th card number of a prefix, with a right check digit."""
    body = prefix + str(serial).zfill(length - 1 - len(prefix))
    assert len(body) == length - 1, "the serial does not fit"
    return body + luhn_digit(body)


def make_pans(count, length=16, prefix="400000", start=0):
    """`count` different card numbers."""
    return [make_pan(start + index, length, prefix) for index in range(count)]


def random_pan(length=16, prefix="4", generator=random):
    """A random card number."""
    body = prefix + "".join(generator.choice("0123456789") for _ in range(length - 1 - len(prefix)))
    return body + luhn_digit(body)
