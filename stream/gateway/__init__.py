"""The gateway: where webhooks and events come in over HTTP, and are answered once they are safe."""
