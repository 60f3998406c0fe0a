"""The API put together (design §8)."""

from __future__ import annotations

from repondeur.api import auth, directory, errors, responders, tasks
from repondeur.api.openapi import DESCRIPTION, Api
from repondeur.api.query import described
from repondeur.api.sign_in import signed_in

api = Api(
    title="Repondeur",
    version="1.0",
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,
    openapi_url="/openapi.json",
    auth=signed_in,
)
errors.install(api)
api.add_decorator(described)
api.add_router("/auth", auth.auth)
api.add_router("/me", auth.me)
api.add_router("/email/domain", directory.router)
api.add_router("/email/domain", responders.router)
api.add_router("/email/domain", tasks.router)
