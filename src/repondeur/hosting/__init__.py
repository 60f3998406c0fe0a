"""The service layer that the panel, the API and the commands share."""
