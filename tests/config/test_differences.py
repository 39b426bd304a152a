"""What a reload changed, in words: `config_reloaded` says it."""

from __future__ import annotations

from poller.config.differences import differences
from poller.config.settings import Settings


def settings(**changes: object) -> Settings:
    """Two controllers and SEI."""
    one = {"url": "https://jenkins.example.com/", "user": "reader", "token_env": "T"}
    return Settings.model_validate(
        {
            "controllers": ({"name": "east", **one}, {"name": "west", **one}),
            "sei": {"environment": "PROD2", "api_key_env": "K"},
            **changes,
        }
    )


def test_nothing() -> None:
    """The same config again."""
    assert differences(settings(), settings()) == []


def test_keys_are_named_and_values_are_not() -> None:
    """A proxy's address may have a password in it."""
    one = {"url": "https://jenkins.example.com/", "user": "reader", "token_env": "T"}
    after = settings(
        controllers=(
            {"name": "east", **one, "every": "5m", "proxy": "http://me:secret@proxy/"},
            {"name": "north", **one},
        ),
        sei={"environment": "PROD2", "api_key_env": "K", "request_rate": 2.0},
        rules=({"match": "a/**", "skip": True},),
        status={"listen": "127.0.0.1:9155"},
    )
    lines = differences(settings(), after)
    assert sorted(lines) == [
        "[rules]",
        "[sei]: request_rate",
        "[status]: listen",
        'controller "east": every, proxy',
        'controller "north": new',
        'controller "west": gone',
    ]
