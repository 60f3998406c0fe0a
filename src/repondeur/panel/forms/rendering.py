"""How a field looks: one template for all forms."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    form_template_name = "panel/forms/form.html"
    field_template_name = "panel/forms/field.html"
