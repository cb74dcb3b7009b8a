"""Fixtures of the end-to-end suite."""
import pytest

import strongroom


@pytest.fixture
def new_vault():
    """Makes vaults of a test's own: `new_vault(settings)`; each is ended and removed after the test."""
    made = []

    def make(values=None, **options):
        vault = strongroom.Vault(values, **options)
        made.append(vault)
        return vault

    yield make
    for vault in made:
        vault.remove()


@pytest.fixture(scope="module")
def vault():
    """One vault with the configuration of DESIGN for all tests of a module; it must live, and stop cleanly, at the end."""
    with strongroom.Vault() as made:
        yield made
        assert made.is_running, f"the daemon died:\n{made.log[-4000:]}"
        assert made.stop() == 0, made.log[-4000:]


def pytest_sessionfinish():
    strongroom.remove_certificates()
