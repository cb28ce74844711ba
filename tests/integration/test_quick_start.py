"""What docs/quick-start.md promises: from `apt install ./….deb` to a node's value in at most five commands a machine.

Its commands are run as they stand there, on two machines on a wire, each a writable layer over this one. There is no
systemd as process 1, so the test does by hand what systemd would: it starts the units when the packages are
installed, and again for `systemctl restart` (see tests/support/machine.py); the rest of what the units say is held
by test_service.py. The packages' dependencies are there already, since scripts/bootstrap installs them. That a
password is asked for on a terminal is left out: it comes from standard input.
"""

import base64
import json
import re
import ssl
import urllib.error
import urllib.request

import pytest

from tests.support import machine, packages
from tests.support.netns import HERE
from tests.support.processes import ROOT, SANITIZER
from tests.support.smollama_node import SmollamaNode
from tests.support.waiting import wait_until

PASSWORD = "correct horse battery"
MOST = 5
pytestmark = [pytest.mark.skipif(packages.why_missing() is not None, reason=packages.why_missing() or ""),
              pytest.mark.skipif(bool(SANITIZER), reason="the packages are the same")]


def commands(title):
    """The commands of one chapter, each with what belongs to it."""
    text = (ROOT / "docs" / "quick-start.md").read_text()
    chapter = re.search(rf"^## \d+\. {title}\n(.*?)^## ", text, re.M | re.S)[1]
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", chapter, re.M | re.S):
        found += re.findall(r"^([^\n]*<<'END'\n.*?^END|[^\n]+)$", block, re.M | re.S)
    assert all(command.startswith("sudo ") for command in found), found
    return [command.removeprefix("sudo ") for command in found]


@pytest.fixture
def machines(lan, tmp_path):
    reason = machine.why_impossible()
    if reason:
        pytest.skip(reason)
    with machine.Machine(tmp_path, "llama", lan.here) as llama, machine.Machine(tmp_path, "pi-kitchen", lan.there) as pi:
        for box, name in ((llama, "llamad"), (pi, "alpaca-agent")):
            box.put(packages.find(name))
            box.run("echo 'APT::Get::Assume-Yes \"true\";' > /etc/apt/apt.conf.d/99test")
        yield llama, pi
        print(llama.logs(), pi.logs(), sep="\n")


def do(box, command):
    """One command, and what systemd would have done by it."""
    if command.startswith("systemctl restart "):
        box.restart_unit(command.split()[-1])
        return ""
    feed = f"echo '{PASSWORD}' | " if " passwd " in command else ""
    done = box.run(f"cd /root && {feed}{command}").stdout
    if command.startswith("apt install "):
        box.start_unit(re.search(r"\./([a-z-]+)_", command)[1])
    if command.startswith("alpaca-agent enrol "):
        box.restart_unit("alpaca-agent")
    return done


class Browser:
    """Somebody who has the authority's certificate, and logs in."""

    def __init__(self, llama):
        context = ssl.create_default_context(cadata=llama.output("cat /var/lib/llamad/certs/ca.crt"))
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context),
                                                  urllib.request.HTTPCookieProcessor(), urllib.request.ProxyHandler({}))

    def log_in(self, name, password):
        self.ask("/api/session", "POST", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())

    def ask(self, path, method="GET", authorization=None):
        headers = {"Authorization": authorization} if authorization else {}
        request = urllib.request.Request(f"https://{HERE}:8090{path}", method=method, headers=headers)
        with self.opener.open(request, timeout=5) as answer:
            return answer.read()


def anybody_may_ask(llama, pi):
    """The agent tells everybody how it is; llamad's commands want sudo, and do not speak of another configuration."""
    somebody = "cd /tmp && setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp "
    done = pi.run(f"{somebody} alpaca-agent status --json", check=False)
    assert json.loads(done.stdout)["node"] == "pi-kitchen", done
    done = llama.run(f"{somebody} llamad status", check=False)
    assert done.returncode == 78 and "/etc/llamad/config.yaml: cannot be read: Permission denied" in done.stderr, done


def test_from_installation_to_a_value(machines, lan):
    llama, pi = machines
    of_llama, of_pi = commands("The Llama"), commands("Each Alpaca")
    assert 0 < len(of_llama) <= MOST and 0 < len(of_pi) <= MOST
    node = lan.there.run(lambda: SmollamaNode("kitchen", host="127.0.0.1", port=8080).start())
    try:
        word = None
        for command in of_llama:
            printed = do(llama, command)
            if " enrol " in command:
                word = re.search(r"alpaca-agent enrol (smc1-\S+)", printed)[1]
        for command in of_pi:
            do(pi, command.replace("smc1-…", word))

        browser = Browser(llama)
        wait_until(lambda: browser.ask("/"), 10, "the page is served")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            browser.ask("/api/cluster/readings")
        browser.log_in("anna", PASSWORD)
        sent = {reading["full_id"]: reading["value"] for reading in json.loads(node.body("readings"))["readings"]}

        def seen():
            readings = json.loads(browser.ask("/api/cluster/readings?node=pi-kitchen"))["readings"]
            return {reading["full_id"]: reading["value"] for reading in readings}
        wait_until(lambda: seen() == sent, 10, "the node's values in the browser")
        anybody_may_ask(llama, pi)
    finally:
        node.stop()
