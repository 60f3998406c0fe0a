"""Speed against Dovecot with Pigeonhole: `python -m bench`; docs/benchmarks.md says how."""
