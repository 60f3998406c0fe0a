"""The web panel: views, forms, templates, static files, translations."""
