"""The viewer's own messengers: Telegram and the like, as Apprise URLs. A URL holds secrets, so it comes in and never out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from dashboards import auth, sql
from dashboards.api import answers
from dashboards.api.parameters import Body, Name, Paged, PathId
from dashboards.identity import Viewer
from dashboards.problems import Problem, not_found
from dashboards.shapes import Shape, instant
from dashboards.state import Shared, State
from telematics.alerts.channels import NotSent
from telematics.alerts.channels.messenger import LONGEST_URL, Messenger, service_of
from telematics.alerts.matching import Person
from telematics.alerts.service import TooManyTests

router = APIRouter(prefix="/api/messengers", tags=["Messengers"])
MOST = 20  # of a user


@dataclass(frozen=True, slots=True)
class MessengerRow:
    """A row of `messengers.sql`."""

    id: int
    name: str
    url: str
    created_at: datetime


class MessengerOut(Shape, frozen=True):
    id: int
    name: str
    service: str  # such as Telegram
    created_at: str


class MessengerTested(Shape, frozen=True):
    channel: str
    address: str
    state: str
    reason: str | None


class NewMessenger(Body):
    name: Name
    url: Annotated[str, Field(min_length=1, max_length=LONGEST_URL)]


@router.get("", responses=answers.shaped(list[MessengerOut]))
async def list_messengers(viewer: auth.User, shared: Shared, page: Paged, request: Request) -> Response:
    total = await sql.value(shared.server.database, "messengers_count", user_id=viewer.user_id)
    found = await sql.rows(shared.server.database, "messengers", MessengerRow, id=None, user_id=viewer.user_id, **page.sql)
    return await answers.listed(found, shape, page.headers(total, request))


@router.post("", responses=answers.shaped(MessengerOut))
async def add_messenger(new: NewMessenger, viewer: auth.Editor, shared: Shared) -> Response:
    """`url` as Apprise writes it, such as tgram://bot-token/chat-id. It is never shown again."""
    messenger = shared.server.alerts.channels["messenger"]
    if isinstance(messenger, Messenger):
        try:
            await messenger.examine(new.url.strip())
        except ValueError as error:
            raise Problem(400, "This messenger can't be used", _sentence(str(error))) from None
        except NotSent as error:
            raise Problem(503, "The messenger can't be examined just now", _sentence(error.reason) + " Try again.") from None
    added = await sql.value(
        shared.server.database, "messenger_add", user_id=viewer.user_id, name=new.name, url=new.url.strip(), most=MOST
    )
    if added is None:
        raise Problem(400, "Too many messengers", f"You may have {MOST}: remove one that is not needed.")
    return answers.json(shape(await _messenger(shared, viewer, added)))


@router.post("/{messenger_id}/test", responses=answers.shaped(list[MessengerTested]))
async def test_messenger(messenger_id: PathId, viewer: auth.Editor, shared: Shared) -> Response:
    """A test message to it, at once."""
    row = await _messenger(shared, viewer, messenger_id)
    person = await sql.row(shared.server.database, "notification_person", Person, user_id=viewer.user_id)
    if person is None:
        raise not_found("user")
    try:
        tested = await shared.server.alerts.test_messenger(person, row.id)
    except TooManyTests as error:
        raise Problem(429, "Too many test messages", str(error)) from None
    return answers.json([MessengerTested("messenger", row.name, tested.state, tested.reason)])


@router.delete("/{messenger_id}", status_code=204, response_class=Response)
async def remove_messenger(messenger_id: PathId, viewer: auth.Editor, shared: Shared) -> Response:
    """Messages that wait for it will say that it was removed."""
    if not await sql.run(shared.server.database, "messenger_remove", id=messenger_id, user_id=viewer.user_id):
        raise not_found("messenger")
    return Response(status_code=204)


def shape(row: MessengerRow) -> MessengerOut:
    return MessengerOut(row.id, row.name, service_of(row.url), instant(row.created_at))


async def _messenger(shared: State, viewer: Viewer, messenger_id: int) -> MessengerRow:
    row = await sql.row(
        shared.server.database, "messengers", MessengerRow, id=messenger_id, user_id=viewer.user_id, limit=1, offset=0
    )
    if row is None:
        raise not_found("messenger")
    return row


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
