"""For a WSGI server in production: `gunicorn -k gthread --threads 8 'webapp.wsgi:application()'`.

The settings come from the environment, the database must have been prepared by `bizday init`, and the
timers run in `bizday worker` processes beside it.
"""

from __future__ import annotations

import os

from engine.assembly import open_platform
from engine.platform import Settings
from webapp import create_app


def application():
    """The web application over a platform that stays open as long as the server's process lives."""
    return create_app(open_platform(Settings.read(os.environ)))
