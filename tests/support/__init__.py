"""What the tests, the demo and the benches share: simulated nodes, processes, MQTT, HTTP and WebSocket clients."""
