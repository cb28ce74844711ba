"""llamad and Debian's avahi-daemon on one machine: both hear everything, and neither disturbs the other."""

import subprocess

import pytest

from tests.support.avahi_daemon import AvahiDaemon
from tests.support.discovery_net import SHOWN_S, sightings
from tests.support.mdns_responder import Service, is_response
from tests.support.netns import HERE, THERE
from tests.support.waiting import hold, wait_until


@pytest.fixture
def daemon(net):
    # Its /run must be its own. Within a chroot the kernel grants no such view of the files.
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    made = AvahiDaemon(net.stack.folder, "workbench")
    net.stack.processes.append(made)
    return made


def answers(responder) -> list[bytes]:
    """What the machine of llamad and avahi-daemon has answered or announced."""
    return [data for address, _, data in responder.heard if address == HERE and is_response(data)]


def assert_undisturbed(daemon: AvahiDaemon) -> None:
    assert daemon.alive
    for word in ("conflict", "withdraw", "failed"):
        assert word not in daemon.log.lower(), daemon.log
    assert daemon.resolve("workbench.local") == HERE
    assert daemon.ask(f"RESOLVE-ADDRESS {HERE}").split()[-1] == "workbench.local"


@pytest.mark.parametrize("first", ["llamad", "daemon"])
def test_both_see_the_node_and_the_daemon_keeps_its_name(net, daemon, first):
    node = net.node(name="kitchen")
    responder = net.responder()
    if first == "daemon":
        daemon.start()
        daemon.wait_ready()
    llamad = net.llamad()
    if first == "llamad":
        daemon.start()
        daemon.wait_ready()
    service = Service("kitchen", THERE[0])
    responder.serve(service)
    assert llamad.wait_node("kitchen", "online", timeout=SHOWN_S)["url"] == node.url
    daemon.wait_resolved(".".join(service.host_name), THERE[0])
    assert_undisturbed(daemon)
    others = [data for data in answers(responder) if b"workbench" not in data]
    assert answers(responder) and not others, "what this machine says is the daemon's"


def test_each_survives_the_others_restart(net, daemon):
    net.node(name="kitchen")
    service = Service("kitchen", THERE[0])
    responder = net.responder()
    responder.serve(service)
    daemon.start()
    daemon.wait_ready()
    llamad = net.llamad()
    llamad.wait_node("kitchen", "online", timeout=SHOWN_S)

    assert daemon.stop() == 0
    said = len(answers(responder))
    asked = responder.queries()
    net.node(THERE[1], "shed")
    responder.serve(Service("shed", THERE[1]))
    llamad.wait_node("shed", "online", timeout=SHOWN_S)
    wait_until(lambda: responder.queries() > asked, 30, "llamad asks on")
    hold(lambda: len(answers(responder)) == said, 1, "without the daemon, nobody here answers")
    mark = daemon.log_mark()
    daemon.start()
    daemon.wait_ready(mark)
    hold(lambda: llamad.nodes()["kitchen"]["status"] == "online" and sightings(llamad, "kitchen"), 2, "still there")

    assert llamad.stop() == 0
    daemon.wait_resolved(".".join(service.host_name), THERE[0])
    assert_undisturbed(daemon)
    llamad.start()
    for name in ("kitchen", "shed"):
        llamad.wait_node(name, "online", timeout=SHOWN_S)
    assert_undisturbed(daemon)


def test_what_the_daemon_announces_is_found(net, daemon):
    """The Smollama of llamad's own machine, published through its avahi-daemon."""
    services = net.stack.folder / "services"
    services.mkdir()
    (services / "smollama.service").write_text(
        '<service-group><name>bench 1.5</name><service><type>_smollama._tcp</type><port>8080</port>'
        '<txt-record>node_type=llama</txt-record></service></service-group>')
    daemon.publish(services)
    node = net.node(HERE, "bench", start=False)
    node.start()
    daemon.start()
    daemon.wait_ready()
    llamad = net.llamad()
    shown = llamad.wait_node("bench", "online", timeout=SHOWN_S)
    assert shown["url"] == node.url and shown["type"] == "llama"
    assert [s["instance"] for s in sightings(llamad, "bench")] == ["bench 1.5"]
    daemon.stop()
    wait_until(lambda: not sightings(llamad, "bench"), SHOWN_S, "its goodbye is heard")
