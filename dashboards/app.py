"""The application: the API, the pages on top, and what guards both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from billing.service import Billing
from dashboards import alert_pages, billing_pages, command_pages, idempotency, listen_pages, operator_pages, pages, problems
from dashboards.api import ROUTERS, answers
from dashboards.geocoder import Geocoder
from dashboards.identity import Auth
from dashboards.live import Live
from dashboards.pictures import pictures
from dashboards.security import DOCS, Guard
from dashboards.state import State

if TYPE_CHECKING:
    from telematics.server import Server


def create_app(server: Server, billing: Billing | None = None) -> FastAPI:
    """The ASGI application on a running server. Whoever runs `billing` hands it in. Behind a proxy, whoever serves it sees to the
    X-Forwarded-… headers."""
    settings = server.settings
    app = FastAPI(
        title="telematics",
        version=server.health().version,
        description="Traccar's API where Traccar has the thing, ours beside it. Errors are RFC 9457 problem details.",
        docs_url=DOCS,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    geocoder = Geocoder(settings.map.geocoder_url, settings.data_dir)
    server.alerts.composer.place = geocoder.name
    server.alerts.composer.pictures = pictures(server.database, geocoder)
    if billing is None:
        billing = Billing(server.database, settings)
        billing.watch(server.changes)
    app.state.dashboards = State(
        server=server,
        auth=Auth(server.database, allowances=billing.allowances),
        live=Live(server),
        geocoder=geocoder,
        billing=billing,
    )
    problems.install(app)
    idempotency.install(app)
    answers.describe(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(GZipMiddleware, minimum_size=2048, compresslevel=1)  # positions shrink to a tenth; level 6 holds the loop
    app.add_middleware(Guard, settings=settings)
    mounted = pages.mount(app, server)
    alert_pages.mount(app, mounted)
    command_pages.mount(app, mounted)
    listen_pages.mount(app, mounted)
    billing_pages.mount(app, mounted)
    operator_pages.mount(app, mounted)
    return app
