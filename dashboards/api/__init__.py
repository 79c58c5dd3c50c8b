"""The JSON API, a router per file, shaped like Traccar's where Traccar has the thing. `ROUTERS` is the door."""

from dashboards.api import (
    absent,
    accounts,
    alerts,
    calendars,
    deliveries,
    devices,
    events,
    geofences,
    groups,
    health,
    messengers,
    notification_tests,
    notifications,
    permissions,
    positions,
    proximities,
    reports,
    server,
    session,
    socket,
    trackers,
    users,
)

ROUTERS = tuple(
    module.router
    for module in (
        absent,
        accounts,
        alerts,
        calendars,
        deliveries,
        devices,
        events,
        geofences,
        groups,
        health,
        messengers,
        notification_tests,  # before notifications, whose paths take any number
        notifications,
        permissions,
        positions,
        proximities,
        reports,
        server,
        session,
        socket,
        trackers,
        users,
    )
)
