"""Real servers and wire tools that the tests and the benchmarks start on loopback.

Each server is a context manager with a temporary folder and ports of its own. It runs the real
program in the foreground as a child of ours and is ended by process id; nothing starts at import.
"""
