"""What is wrong with the settings is told in a line, and ends the start."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from telematics.commands.serve import misspelt, read_settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("http_port = \n", "telematics.toml: Invalid value (at line 1, column 13)", id="no TOML"),
        pytest.param("htp_port = 1", "setting htp_port: there is no such setting", id="misspelt"),
        pytest.param("[limits]\nidel_s = 3", "setting limits.idel_s: there is no such setting", id="misspelt in a table"),
        pytest.param("http_port = 99999", "setting http_port: Input should be less than or equal to 65535", id="out of range"),
        pytest.param(
            'log_level = "loud"', "setting log_level: Input should be 'debug', 'info', 'warning' or 'error'", id="one of"
        ),
        pytest.param(
            'public_url = "gps.example.com"',
            "setting public_url: write it as https://gps.example.com, without a path",
            id="no web address",
        ),
    ],
)
def test_a_wrong_file_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    (tmp_path / "telematics.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.Exit):
        read_settings()
    assert capsys.readouterr().err == f"{told}\n"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TELEMATICS_HTTP_PORT", "x", "setting http_port: Input should be a valid integer, unable to parse string as an integer"),
        ("TELEMATICS_LIMITS__IDEL_S", "3", "setting limits.idel_s: there is no such setting"),
        ("TELEMATICS_CONFIG", "/nowhere.toml", "/nowhere.toml: there is no such file, and TELEMATICS_CONFIG names it"),
        ("TELEMATICS_LISTENERS", "x", 'error parsing value for field "listeners" from source "EnvSettingsSource"'),
    ],
)
def test_a_wrong_variable_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(typer.Exit):
        read_settings()
    assert capsys.readouterr().err == f"{told}\n"


def test_a_misspelt_variable_is_noticed() -> None:
    names = ["HOME", "TELEMATICS_HTTP_PORT", "TELEMATICS_HTP_PORT", "TELEMATICS_LIMITS__IDLE_S", "TELEMATICS_CONFIG"]
    assert misspelt(names) == ["TELEMATICS_HTP_PORT"]


def test_the_file_gives_way_to_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.toml").write_text('retention_days = 30\npublic_url = "https://gps.example.com/"\n')
    monkeypatch.setenv("TELEMATICS_CONFIG", str(tmp_path / "t.toml"))
    monkeypatch.setenv("TELEMATICS_RETENTION_DAYS", "90")
    settings = read_settings()
    assert (settings.retention_days, settings.public_url) == (90, "https://gps.example.com")
