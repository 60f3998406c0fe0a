"""The directory as another system has it, and keeping ours equal to it (docs/directory.md)."""
