# SPDX-License-Identifier: Apache-2.0
"""A folder in which derp-acme and derpd run: config, state, certificates."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import urllib.parse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from fake_acme import FakeCa
from pebble import ADDRESS, BUILD, Dns, Pebble, Process, free_port, missing_tools, private_network, wait_for

DOMAIN = "derp.test"


def leaf_der(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


class Home:
    def __init__(self, folder, ca, dns, port=None, domain=DOMAIN):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True, parents=True)
        self.ca, self.dns, self.domain = ca, dns, domain
        self.port = port or free_port()
        self.config = self.folder / "derp.conf"
        self.certs = self.folder / "certs"
        self.http, self.address = "off", ADDRESS
        self.relays, self.started = [], []
        self.configure()

    def listen(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def configure(self, certificate=None, path=None, **acme):
        certificate = certificate or f"source = acme\ndir = {self.certs}"
        acme = {"directory": self.ca.directory, "ca-file": self.ca.ca_file, **acme}
        text = (f"[relay]\ndomain = {self.domain}\nlisten = {self.listen()}\nstun = off\nmetrics = off\nhttp = {self.http}\n"
                f"state-dir = {self.folder}/relay\n[certificate]\n{certificate}\n[acme]\n"
                + "".join(f"{k} = {v}\n" for k, v in acme.items() if v is not None)
                + f"[dns]\nresolver = {self.dns.server}\n")
        (path or self.config).write_text(text)

    def command(self, *verb):
        return [str(BUILD / "derp-acme"), "--config", str(self.config), *verb]

    def acme(self, *verb, env=None, timeout=120):
        return subprocess.run(self.command(*verb), capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, **(env or {})})

    def expect(self, code, *verb, env=None):
        """Runs it; the exit code must be this one. Returns stderr."""
        done = self.acme(*verb, env=env)
        assert done.returncode == code, f"{verb}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}"
        assert "Sanitizer" not in done.stderr, done.stderr
        return done.stderr

    def start_relay(self, config=None):
        log = self.folder / f"derpd{len(self.started)}.log"
        relay = Process([BUILD / "derpd", "--config", config or self.config], log)
        self.started.append(relay)
        self.relays.append(relay)
        wait_for(lambda: "ready" in relay.text() or relay.child.poll() is not None, "derpd", 20)
        assert relay.child.poll() is None, relay.text()
        return relay

    def stop(self):
        for relay in self.relays:
            relay.stop()

    # --- What is on disk, what is served --------------------------------------------------------

    def state(self):
        return json.loads((self.certs / "order.json").read_text())

    def status(self):
        return json.loads(self.acme("status", "--json").stdout)

    def current(self):
        return os.readlink(self.certs / "current")

    def generations(self):
        return sorted(p.name for p in self.certs.glob("gen-*"))

    def account(self, name=""):
        """Folder of the configured CA's account, or a file in it, below certs."""
        host = urllib.parse.urlsplit(self.ca.directory).netloc.replace(":", "_")
        digest = hashlib.sha256(self.ca.directory.encode()).hexdigest()[:8]
        return f"account/{host}-{digest}" + (f"/{name}" if name else "")

    def leave_account(self):
        """The next order is validated for certain: Pebble, told to reuse no authorization of an account, still
        reuses one in a hundred (it compares rand.Intn(100) > 0)."""
        shutil.rmtree(self.certs / "account")

    def challenges(self):
        return sorted(p.name for p in (self.certs / "challenge").iterdir())

    def chain(self):
        return (self.certs / "current" / "fullchain.pem").read_bytes()

    def leaf(self):
        return x509.load_pem_x509_certificate(self.chain())

    def usable(self):
        """The link leads to a certificate that fits its key and our name: what derpd would load."""
        key = serialization.load_pem_private_key((self.certs / "current" / "privkey.pem").read_bytes(), None)
        names = self.leaf().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (self.leaf().public_key().public_numbers() == key.public_key().public_numbers()
                and [str(n.value) for n in names] == [self.domain])

    def served(self):
        """The leaf that the port serves, DER."""
        context = ssl._create_unverified_context()
        with socket.create_connection((self.address, self.port), timeout=5) as raw, \
                context.wrap_socket(raw, server_hostname=self.domain) as tls:
            return tls.getpeercert(binary_form=True)


# --- Fixtures: import them into a test module -----------------------------------------------------

@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The private network and its name server."""
    reason = missing_tools()
    if reason:
        pytest.skip(reason)
    with private_network():
        dns = Dns(tmp_path_factory.mktemp("dns"))
        try:
            yield dns
        finally:
            dns.stop()


@pytest.fixture
def make_pebble(world, tmp_path):
    """make_pebble(home_port, **options): a Pebble that ends with the test."""
    started = []

    def make(port, dns=None, **options):
        started.append(Pebble(tmp_path / f"pebble{len(started)}", port, dns or world, **options))
        return started[-1]
    yield make
    for pebble in started:
        pebble.stop()


@pytest.fixture
def make_home(world, tmp_path):
    """make_home(ca): a folder for derp-acme and derpd, both ended with the test."""
    made = []

    def make(ca, **options):
        made.append(Home(tmp_path / f"home{len(made)}", ca, world, **options))
        return made[-1]
    yield make
    for home in made:
        home.stop()


@pytest.fixture
def relay_home(make_pebble, make_home):
    """relay_home(**pebble options): a home with a running derpd and a Pebble that validates against it."""
    def make(**options):
        port = free_port()
        home = make_home(make_pebble(port, **options), port=port)
        home.start_relay()
        return home
    return make


@pytest.fixture
def fake(world, tmp_path):
    ca = FakeCa(tmp_path / "fake")
    yield ca
    ca.stop()


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The preloaded library of acme_shim.c."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    path = tmp_path_factory.mktemp("shim") / "shim.so"
    source = pathlib.Path(__file__).with_name("acme_shim.c")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", f"-I{source.parents[1]}/acme", "-o", path, source,
                    "-ldl"], check=True)
    return str(path)


@pytest.fixture
def small_disk(tmp_path):
    """A small file system."""
    path = tmp_path / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", path]).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield path
    subprocess.run(["umount", path], check=True)


def fill(path):
    with open(path / "ballast", "wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(b"x" * 4096)
