"""Fixtures of the crash tests: certificates made once, vaults that never outlive their test."""

import subprocess

import pytest

import vault as vaults


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    subprocess.run(
        [vaults.REPOSITORY / "certs" / "make-certs", directory], check=True, timeout=60,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return directory


@pytest.fixture
def make_vault(tmp_path, certificates):
    """Makes vaults below the test's directory; whatever still runs at the end is killed."""
    made = []

    def make(name="vault", directory=None, **options):
        made.append(vaults.Vault(directory or tmp_path / name, certificates, **options))
        return made[-1]

    yield make
    for vault in made:
        vault.kill()


@pytest.fixture
def source(request):
    """Seeded randomness; the seed is printed."""
    return vaults.seeded(request)
