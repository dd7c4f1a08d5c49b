"""The server's settings come from the environment, and a faulty one stops it with one sentence."""

import pytest

from app import server
from app.settings import Settings, load_settings


def test_by_default_the_server_is_for_this_machine_alone(monkeypatch):
    monkeypatch.delenv("ESTROFA_HOST", raising=False)
    assert load_settings().host == "127.0.0.1"


def test_settings_are_read_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ESTROFA_PORT", "9001")
    monkeypatch.setenv("ESTROFA_MODEL", str(tmp_path))
    assert load_settings() == Settings(port=9001, model=tmp_path)


@pytest.mark.parametrize(("name", "value"), [("PORT", "soon"), ("QUEUE_SIZE", "0"), ("POLL_SECONDS", "-1")])
def test_a_setting_that_is_not_allowed_stops_the_server_by_its_name(monkeypatch, capsys, name, value):
    monkeypatch.setenv(f"ESTROFA_{name}", value)
    with pytest.raises(SystemExit) as stopped:
        server.main()
    assert stopped.value.code == 2
    assert f"ESTROFA_{name}: '{value}' is not allowed" in capsys.readouterr().err
