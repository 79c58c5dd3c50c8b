"""The whole way: a vehicle drives into a zone, and somebody has an e-mail with the place and its picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from telematics.config import AlertSettings, MailSettings, Settings
from tests.alerts.test_kill import receivers
from tests.api.conftest import LISTENERS, eventually, running


async def test_a_zone_is_entered_and_an_email_arrives(database_url: str, tmp_path: Path) -> None:
    async with receivers() as outside:
        outside.answering = True
        settings = Settings(
            database_url=database_url,
            data_dir=tmp_path,
            protocols=tuple(LISTENERS),
            listeners=LISTENERS,
            alerts=AlertSettings(bundle_s=0),
            mail=MailSettings(host="127.0.0.1", port=outside.smtp_port, security="none", sender="fleet@example.com"),
        )
        async with running(settings) as world, world.signed_in("anna") as anna:
            await world.app.state.dashboards.geocoder.name(43.25, 76.90, "en")  # the list of towns is made once, in seconds
            zone = {"name": "Depot", "area": "CIRCLE (43.25 76.90, 300)", "allDevices": True}
            zone_id = (await anna.post("/api/geofences", json=zone)).json()["id"]
            rule = {"type": "geofenceEnter", "notificators": "web,mail", "geofenceIds": [zone_id]}
            rule_id = (await anna.post("/api/notifications", json=rule)).json()["id"]
            await eventually(lambda: world.server.alerts.rules.get(rule_id) and world.server.zones.get(zone_id))
            began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
            for place, longitude in enumerate((76.86, 76.88, 76.899, 76.9, 76.9001)):
                assert await world.report("imei-a1", began + timedelta(minutes=place), 43.25, longitude, speed=20) == 200
            await eventually(lambda: outside.mails)
            (mail,) = outside.mails
            parsed = message_from_bytes(mail.original_content or b"", policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            assert mail.rcpt_tos == ["anna@example.com"]
            assert parsed["Subject"] == "Truck a1 entered Depot"
            text = parsed.get_body(("plain",))
            assert text is not None
            assert "Almaty" in text.get_content()
            pictures = [part for part in parsed.walk() if part.get_content_type() == "image/png"]
            assert len(pictures) == 1

            async def told() -> bool:
                return [one["state"] for one in (await anna.get("/api/deliveries")).json()] == ["sent", "sent"]

            await eventually(told)
            (alert,) = (await anna.get("/api/alerts")).json()
            assert (alert["type"], alert["geofenceId"], alert["geofenceName"]) == ("geofenceEnter", zone_id, "Depot")
            entered = datetime.fromisoformat(alert["time"])
            assert began + timedelta(minutes=1) < entered < began + timedelta(minutes=2)  # on the way, not on arrival
            span = {"from": began.isoformat(), "to": datetime.now(UTC).isoformat(), "type": "geofenceEnter"}
            (event,) = (await anna.get("/api/reports/events", params={"deviceId": world.ids["a1"], **span})).json()
            assert (event["id"], event["geofenceId"]) == (alert["eventId"], zone_id)
