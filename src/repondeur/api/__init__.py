"""The HTTP API at /1.0, compatible with OVHcloud's routes for responders (design §8)."""
