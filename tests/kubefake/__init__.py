"""A fake Kubernetes cluster on loopback: its API server, a kubelet that runs the real edge runtime, and a gateway.

It keeps state and speaks what a client of the API asks: server-side apply with field managers, watches, proxies. What
is to go wrong is told by the methods of kubefake.cluster.Cluster. Fixture: `cluster` in kubefake.fixture.
"""
