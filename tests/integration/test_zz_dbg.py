import time, json
def test_x(stack):
    node = stack.node(name="pi")
    llamad = stack.llamad({"cluster": {"aggregation_interval": 1, "poll_allow": ["10.0.0.0/8"]}})
    fake = stack.fake_agent("pi", url=node.url, interval_s=1).come_alive()
    llamad.wait_node("pi", "online")
    fake.status("offline")
    time.sleep(8)
    print(json.dumps(llamad.node("pi"), indent=1))
    print(llamad.log)
