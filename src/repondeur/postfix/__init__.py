"""The mail server's side: lookup tables, settings and checks for Postfix (docs/postfix.md)."""
