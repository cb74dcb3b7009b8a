"""Certificates and lists that certs/make-certs does not make: any names, and any moment of their end.

    authority = Authority(vault.directory / "certs")      # a directory of make-certs, whose CA signs
    authority.leaf("both", "DNS:checkout.internal, DNS:billing.internal")
    authority.list(seconds=3)                             # ca.crl, out of date in three seconds
"""
import subprocess
import time

CONFIGURATION = """
[req]
distinguished_name = none
prompt = no
[none]
[ca]
default_ca = throwaway
[throwaway]
certificate = {directory}/ca.crt
private_key = {directory}/ca.key
database = {directory}/ca-state/index
new_certs_dir = {directory}/ca-state
crlnumber = {directory}/ca-state/crlnumber
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = none
[any]
commonName = supplied
[list]
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = {usage}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{names}
"""


def moment(seconds):
    """A time from now as `openssl ca` takes it."""
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


class Authority:
    """The CA of a directory that certs/make-certs made."""

    def __init__(self, directory):
        self.directory = directory

    def _openssl(self, *arguments, usage="clientAuth", names=""):
        configuration = self.directory / "ca-state" / "test.cnf"
        configuration.write_text(CONFIGURATION.format(
            directory=self.directory, usage=usage, names=names and f"subjectAltName = {names}"))
        done = subprocess.run(
            ["openssl", *arguments[:1], "-config", configuration, *arguments[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def leaf(self, name, names, *, usage="clientAuth", begin=-172_800, seconds=86_400 * 90):
        """NAME.crt and NAME.key with these alternative names, good from `begin` for so many seconds from now on."""
        key, request = self.directory / f"{name}.key", self.directory / "ca-state" / "request"
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
                       check=True, capture_output=True)
        key.chmod(0o600)
        self._openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        self._openssl("ca", "-batch", "-notext", "-extensions", "leaf", "-in", request, "-startdate", moment(begin),
                      "-enddate", moment(seconds), "-out", self.directory / f"{name}.crt", usage=usage, names=names)

    def revoke(self, name):
        """Puts a certificate on the lists that are made from now on."""
        self._openssl("ca", "-revoke", self.directory / f"{name}.crt")

    def list(self, seconds=86_400 * 30, begin=-3_600):
        """ca.crl, good for so many seconds from now on."""
        self._openssl("ca", "-gencrl", "-crlexts", "list", "-crl_lastupdate", moment(begin), "-crl_nextupdate",
                      moment(seconds), "-out", self.directory / "ca.crl")
