"""A real Thunderbird completes what is typed in a message's address field from the directory.

Arguments: URL of the directory (ldaps), suffix, name to bind with, password, authority (PEM), what
is typed, a folder for the profile. Prints what Thunderbird offers.
"""

import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import time

url, suffix, name, password, authority, typed, folder = sys.argv[1:8]
profile = pathlib.Path(folder) / "profile"
profile.mkdir(parents=True)
DEADLINE = time.monotonic() + 240

free = socket.socket()
free.bind(("127.0.0.1", 0))
marionette_port = free.getsockname()[1]
free.close()

settings = {
    "ldap_2.autoComplete.useDirectory": True,
    "ldap_2.autoComplete.directoryServer": "ldap_2.servers.annuaire",
    "ldap_2.servers.annuaire.description": "Annuaire",
    "ldap_2.servers.annuaire.filename": "annuaire.sqlite",
    "ldap_2.servers.annuaire.uri": f"{url}/{suffix}??sub?(objectclass=*)",
    "ldap_2.servers.annuaire.auth.dn": name,
    "ldap_2.servers.annuaire.auth.saslmech": "",
    "ldap_2.servers.annuaire.maxHits": 100,
    "marionette.port": marionette_port,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "app.donation.eoy.version.viewed": 999,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
with open(profile / "user.js", "w") as out:
    for key, value in settings.items():
        out.write(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n")
for arguments in (["-N", "--empty-password"], ["-A", "-n", "authority", "-t", "C,,", "-i", authority]):
    subprocess.run(["certutil", "-d", f"sql:{profile}", *arguments], check=True)

read, write = os.pipe()
screen = subprocess.Popen(
    ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
    pass_fds=[write], stderr=subprocess.DEVNULL)
os.close(write)
assert select.select([read], [], [], 60)[0], "Xvfb does not start"
display = ":" + os.read(read, 16).decode().strip()
environment = dict(os.environ, DISPLAY=display, HOME=folder, MOZ_CRASHREPORTER_DISABLE="1")
mail = subprocess.Popen(
    ["thunderbird", "--no-remote", "--profile", str(profile), "--marionette", "--remote-allow-system-access"],
    env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Marionette:
    """Thunderbird's remote control: `length:[0, number, command, arguments]`."""

    def __init__(self):
        while True:
            assert mail.poll() is None, "Thunderbird ended"
            assert time.monotonic() < DEADLINE, "Thunderbird does not listen"
            try:
                self.stream = socket.create_connection(("127.0.0.1", marionette_port), timeout=120)
                break
            except ConnectionRefusedError:
                select.select([], [], [], 0.2)
        self.number = 0
        self.receive()

    def receive(self):
        length = b""
        while not length.endswith(b":"):
            octet = self.stream.recv(1)
            assert octet, "Thunderbird left"
            length += octet
        text = b""
        while len(text) < int(length[:-1]):
            text += self.stream.recv(int(length[:-1]) - len(text))
        return json.loads(text)

    def ask(self, command, **arguments):
        self.number += 1
        text = json.dumps([0, self.number, command, arguments]).encode()
        self.stream.sendall(str(len(text)).encode() + b":" + text)
        _, _, error, result = self.receive()
        assert error is None, error
        return result

    def script(self, text, *arguments):
        return self.ask("WebDriver:ExecuteAsyncScript", script=text, args=list(arguments), scriptTimeout=110_000)["value"]


try:
    remote = Marionette()
    remote.ask("WebDriver:NewSession")
    remote.ask("Marionette:SetContext", value="chrome")
    remote.script(
        """
        const [origin, realm, password, done] = arguments;
        const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        const address = Services.io.newURI(realm);
        login.init(origin, null, origin + address.pathQueryRef, "", password, "", "");
        Services.logins.addLoginAsync(login).then(() => done(true), error => done(String(error)));
        """, url, f"{url}/{suffix}??sub?(objectclass=*)", password)
    remote.ask("WebDriver:SetTimeouts", script=120_000)
    found = remote.script(
        """
        const [typed, done] = arguments;
        const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
        const identity = MailServices.accounts.createIdentity();
        identity.email = "essai@example.test";
        const account = MailServices.accounts.createAccount();
        account.incomingServer = MailServices.accounts.createIncomingServer("essai", "127.0.0.1", "pop3");
        account.addIdentity(identity);
        MailServices.compose.OpenComposeWindow(
          null, null, null, Ci.nsIMsgCompType.New, Ci.nsIMsgCompFormat.PlainText, identity, null, null);
        const timers = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
        const wait = holds => new Promise(resolve => {
          const look = () => { const value = holds(); value ? resolve(value) : timers.setTimeout(look, 100); };
          look();
        });
        (async () => {
          const window = await wait(() => Services.wm.getMostRecentWindow("msgcompose"));
          const field = await wait(() => window.document.readyState == "complete" &&
            window.document.getElementById("toAddrInput"));
          await wait(() => field.controller || field.mController);
          window.focus();
          field.focus();
          field.value = typed;
          field.dispatchEvent(new window.InputEvent("input", { bubbles: true, data: typed }));
          field.controller.startSearch ? field.controller.startSearch(typed) : field.controller.handleText();
          const values = await wait(() => {
            const count = field.controller.matchCount;
            return count ? Array.from({ length: count }, (_, at) => field.controller.getValueAt(at)) : null;
          });
          done(values);
        })().catch(error => done([String(error), error.stack]));
        """, typed)
    print("\n".join(found))
finally:
    mail.terminate()
    mail.wait(30)
    screen.terminate()
    screen.wait(30)
