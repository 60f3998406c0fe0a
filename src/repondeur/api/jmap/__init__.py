"""JMAP (RFC 8620) for one thing: the VacationResponse of a mailbox (RFC 8621 §8)."""
