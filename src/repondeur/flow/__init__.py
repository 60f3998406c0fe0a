"""The mail path: sockets in, sockets out."""
