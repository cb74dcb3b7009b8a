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
    """One vault with the configuration of DESIGN for all tests of a module; it must live, and stop cleanly, at the
    end.
    """
    with strongroom.Vault() as made:
        yield made
        assert made.is_running, f"the daemon died:\n{made.log[-4000:]}"
        assert made.stop() == 0, made.log[-4000:]


@pytest.fixture(autouse=True)
def daemon_lives(request):
    """After each test on the shared vault: its daemon must live. One that died is started again for the next test."""
    yield
    if "vault" in request.fixturenames:
        shared = request.getfixturevalue("vault")
        if not shared.is_running:
            code, log = shared.process.returncode, shared.log[-4000:]
            shared.stop()
            shared.start()
            pytest.fail(f"the daemon died with {code}:\n{log}")


def pytest_sessionfinish():
    strongroom.remove_certificates()
