"""Tracks are read whole, or refused with the line that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telematics.simulator.fix import Fix
from telematics.simulator.tracks import TrackError, read_tracks, shifted

HEAD = "vehicle,time,latitude,longitude,course_deg\n"
BUSES = Path(__file__).parents[3] / "shared" / "tracks" / "liverpool_bus_14.csv"


def written(folder: Path, text: str, name: str = "track.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_two_vehicles_out_of_order_with_speed_and_course_filled_in(tmp_path: Path) -> None:
    text = HEAD + (
        "a,2026-01-26T15:57:24Z,53.401,-2.9,\n"
        "b,2026-01-26T15:57:00+01:00,10,20,370\n"
        "a,2026-01-26T15:57:02Z,53.4,-2.9,\n"
        "a,2026-01-26T15:57:24Z,53.402,-2.9,\n"  # the same moment again
    )
    with pytest.raises(TrackError, match=r"line 3: course_deg is 370, not between -360 and 360"):
        read_tracks(written(tmp_path, text))
    assert read_tracks(written(tmp_path, text.replace("370", "-90"))) == {
        "a": [
            Fix(datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC), 53.4, -2.9),
            Fix(datetime(2026, 1, 26, 15, 57, 24, tzinfo=UTC), 53.401, -2.9, speed_kmh=18.2),
        ],
        "b": [Fix(datetime(2026, 1, 26, 14, 57, tzinfo=UTC), 10.0, 20.0, course_deg=270.0)],
    }


def test_what_is_recorded_is_kept(tmp_path: Path) -> None:
    text = (
        "Time;Lat;Lon;Speed_kmh;Bearing;Ele;Sat;Ignition\n1769443022;43.2;76.9;61.5;12;780;9;no\n1769443022500;43.3;76.9;;;;;\n"
    )
    file = written(tmp_path, text, "van.csv")
    first, second = read_tracks(file)["van"]
    assert first == Fix(datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC), 43.2, 76.9, 780.0, 61.5, 12.0, 9, ignition=False)
    assert second.time - first.time == timedelta(seconds=0.5)
    assert second.ignition


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "there is no time, latitude, longitude", id="empty"),
        pytest.param("a,b\n1,2\n", "there is no time, latitude, longitude", id="no header"),
        pytest.param(HEAD, "holds no fix", id="header alone"),
        pytest.param(HEAD + "a,2026-01-26T15:57:02Z,53.4,west,\n", "line 2: longitude is 'west', not a number", id="text"),
        pytest.param(HEAD + "a,2026-01-26T15:57:02Z,nan,1,\n", "line 2: latitude is nan, not between -90 and 90", id="nan"),
        pytest.param(
            HEAD + "a,2026-01-26T15:57:02Z,91,1,\n", "line 2: latitude is 91, not between -90 and 90", id="not on Earth"
        ),
        pytest.param(HEAD + "a,yesterday,1,1,\n", "line 2: time is 'yesterday', not like", id="time"),
        pytest.param(HEAD + "a,99999999999999999999,1,1,\n", "line 2: time is", id="time far away"),
        pytest.param(HEAD + "a,2026-01-26T15:57:02Z\n", "line 2: latitude is '', not a number", id="short line"),
        pytest.param(HEAD + ",2026-01-26T15:57:02Z,1,1,\n", "line 2: no vehicle", id="no vehicle"),
        pytest.param(HEAD + '"a,2026\n', "line 2: unexpected end of data", id="open quote"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(TrackError, match=complaint):
        read_tracks(written(tmp_path, text))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match=r"can't read .*No such file"):
        read_tracks(tmp_path / "missing.csv")
    (tmp_path / "binary.csv").write_bytes(b"time,\xff\xfe")
    with pytest.raises(TrackError, match="not text in UTF-8"):
        read_tracks(tmp_path / "binary.csv")


GPX = """<?xml version="1.0"?><gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1"><trk><name>bike</name><trkseg>
<trkpt lat="43.2" lon="76.9"><ele>800</ele>{time}</trkpt>
<trkpt lat="43.2" lon="76.901"><ele>801</ele><time>2026-01-26T15:57:12Z</time></trkpt>
</trkseg></trk></gpx>"""


def test_gpx(tmp_path: Path) -> None:
    file = written(tmp_path, GPX.format(time="<time>2026-01-26T15:57:02Z</time>"), "ride.gpx")
    assert read_tracks(file) == {
        "bike": [
            Fix(datetime(2026, 1, 26, 15, 57, 2, tzinfo=UTC), 43.2, 76.9, 800.0),
            Fix(datetime(2026, 1, 26, 15, 57, 12, tzinfo=UTC), 43.2, 76.901, 801.0, speed_kmh=29.18, course_deg=90.0),
        ]
    }
    with pytest.raises(TrackError, match="point 1: has no time"):
        read_tracks(written(tmp_path, GPX.format(time=""), "ride.gpx"))
    with pytest.raises(TrackError, match="is not GPX"):
        read_tracks(written(tmp_path, "<gpx", "ride.gpx"))
    with pytest.raises(TrackError, match="is not on Earth"):
        read_tracks(written(tmp_path, GPX.format(time="<time>2026-01-26T15:57:02Z</time>").replace("43.2", "143.2"), "ride.gpx"))


def test_shifting_moves_times_and_nothing_else(tmp_path: Path) -> None:
    tracks = read_tracks(written(tmp_path, HEAD + "a,2026-01-26T15:57:02Z,53.4,-2.9,\n"))
    (moved,) = shifted(tracks, timedelta(days=1))["a"]
    assert moved == Fix(datetime(2026, 1, 27, 15, 57, 2, tzinfo=UTC), 53.4, -2.9)


@pytest.mark.skipif(not BUSES.exists(), reason="the tracks beside the project are not there")
def test_real_buses() -> None:
    tracks = read_tracks(BUSES)
    assert {vehicle: len(fixes) for vehicle, fixes in tracks.items()} == {
        "4716": 136, "4720": 278, "4722": 110, "4733": 245, "4803": 183, "4836": 187, "4841": 159, "4842": 235,
    }  # fmt: skip
    assert max(fix.speed_kmh for fixes in tracks.values() for fix in fixes) == pytest.approx(56.16)
