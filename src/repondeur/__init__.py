"""Repondeur: the autoresponder service for mail hosters."""

__version__ = "0.1.0"
