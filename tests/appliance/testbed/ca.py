# SPDX-License-Identifier: Apache-2.0
"""The certificate authority of the private internet: Pebble at https://ca.test/dir."""

import json
import os
import pathlib
import signal
import subprocess
import sys

from .network import CA, CA6, RESOLVER
from .shell import run, wait_for

DIRECTORY = "https://ca.test/dir"


class Ca:
    """folder/ca.pem is the trust for HTTPS to it; what it issues is below another root."""

    def __init__(self, inet, folder, validity_s=90 * 86400, port=443, management=15000):
        self._inet, self._folder, self._process = inet, folder, None
        self._program, self._management = "pebble", management
        self.directory = DIRECTORY if port == 443 else f"https://ca.test:{port}/dir"
        self.ca_file = folder / "ca.pem"
        folder.mkdir()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "30", "-subj", "/CN=ca.test", "-keyout", folder / "ca.key",
            "-out", self.ca_file, "-addext", f"subjectAltName=DNS:ca.test,IP:{CA},IP:{CA6}")
        self._config = {"pebble": {
            "listenAddress": f":{port}", "managementListenAddress": f":{management}",
            "certificate": str(self.ca_file), "privateKey": str(folder / "ca.key"),
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "",
            "externalAccountBindingRequired": False, "certificateValidityPeriod": validity_s}}
        self.start()

    def offer(self, program, profiles):
        """From the next start on: another Pebble, which knows profiles (seconds by name)."""
        self._program = program
        self._config["pebble"]["profiles"] = {
            name: {"description": name, "validityPeriod": seconds}
            for name, seconds in profiles.items()}

    def bind_accounts(self, keys):
        """From the next start on accounts need a binding: base64url secrets by key id."""
        self._config["pebble"].update(externalAccountBindingRequired=True,
                                      externalAccountMACKeys=keys)

    def refuse_all(self):
        """In place of Pebble a CA that offers everything and refuses each order."""
        self._process = self._inet.start(
            sys.executable, pathlib.Path(__file__).with_name("refusing_ca.py"), self.ca_file,
            self._folder / "ca.key")
        wait_for("the CA", 10, self._answers)

    def start(self, **env):
        """Starts it, with more environment (PEBBLE_WFE_NONCEREJECT=…) if wanted."""
        config = self._folder / "pebble.json"
        config.write_text(json.dumps(self._config))
        log = open(self._folder / "pebble.log", "a")
        self._process = self._inet.start(
            self._program, "-config", config, "-dnsserver", f"{RESOLVER}:53", stdout=log,
            stderr=subprocess.STDOUT,
            env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "5", "PEBBLE_AUTHZREUSE": "0", **env})
        wait_for("the CA", 60, self._answers)

    def _answers(self):
        assert self._process.poll() is None, self.log()
        return self._get(self.directory, check=False).code == 0

    def _get(self, url, check=True):
        return self._inet.run("curl", "-sSf", "--cacert", self.ca_file, url, check=check)

    def refuse(self, domain):
        """From the next start on orders for this domain are refused."""
        self._config["pebble"]["domainBlocklist"] = [domain]

    def stop(self):
        """Connections are refused from now on; a new start forgets accounts and has a new root."""
        self._process.terminate()
        self._process.wait(10)

    def freeze(self):
        """Connections are taken and never answered, until thaw()."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self):
        os.kill(self._pid(), signal.SIGCONT)

    def _pid(self):
        return self._process.pid  # nsenter, unshare and sh have all become pebble by exec

    def issuing_root(self):
        """The PEM of the root that what it issues hangs from."""
        return self._get(f"https://{CA}:{self._management}/roots/0").out

    def log(self):
        return pathlib.Path(self._folder / "pebble.log").read_text(errors="replace")
