# SPDX-License-Identifier: Apache-2.0
"""A certification authority for tests: root, intermediate, and leaves of P-256."""
import datetime
import hashlib
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def cert_pem(*certs):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs)


def fingerprint(cert):
    """SHA-256 of the certificate, as derpMap's CertName wants it behind `sha256-raw:`."""
    return hashlib.sha256(cert.public_bytes(serialization.Encoding.DER)).hexdigest()


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject, issuer, public_key, days):
    return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
            .public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(now() - DAY).not_valid_after(now() + days * DAY))


def _san(names):
    def one(n):
        try:
            return x509.IPAddress(ipaddress.ip_address(n))
        except ValueError:
            return x509.DNSName(n)
    return x509.SubjectAlternativeName([one(n) for n in names])


class Authority:
    """A root and an intermediate that signs leaves."""

    def __init__(self):
        self.root_key, self.middle_key = new_key(), new_key()
        self.root = self._sign_ca("Interop Root", "Interop Root", self.root_key, self.root_key, 1)
        self.middle = self._sign_ca("Interop Intermediate", "Interop Root", self.middle_key,
                                    self.root_key, 0)

    @staticmethod
    def _sign_ca(subject, issuer, key, issuer_key, path_length):
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        return (_builder(subject, issuer, key.public_key(), 3650)
                .add_extension(x509.BasicConstraints(True, path_length), critical=True)
                .add_extension(usage, critical=True)
                .sign(issuer_key, hashes.SHA256()))

    def leaf(self, *names, days=90):
        """Chain and key, both PEM, of a new leaf for these names."""
        key = new_key()
        cert = (_builder(names[0], "Interop Intermediate", key.public_key(), days)
                .add_extension(x509.BasicConstraints(False, None), critical=True)
                .add_extension(_san(names), critical=False)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
                .sign(self.middle_key, hashes.SHA256()))
        return cert_pem(cert, self.middle), key_pem(key)


def self_signed(*names, days=90):
    """Certificate, and its chain and key as PEM, that nobody else signed."""
    key = new_key()
    cert = (_builder(names[0], names[0], key.public_key(), days)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_san(names), critical=False)
            .sign(key, hashes.SHA256()))
    return cert, cert_pem(cert), key_pem(key)
