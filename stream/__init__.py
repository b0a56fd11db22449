"""The processor: a pure core (fold, flow, journeys, reports), and around it the shards, the transport, the worker."""
