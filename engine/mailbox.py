"""Where mails leave: an SMTP server, or a folder as long as none is set.

`post` hands one letter over and returns when it has been taken; whatever goes wrong is an error of the
mail's job, which is tried again. A password is sent only through TLS or to this machine itself. Without a
server each letter becomes a file under <var>/mail, named by its Message-ID, so that a repeat of the same
letter does not become a second one.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from urllib.parse import unquote, urlsplit

from engine.errors import Misconfigured

SECONDS = 20
LOCAL = ("localhost", "127.0.0.1", "::1")


def post(settings, letter: EmailMessage) -> None:
    """Send a letter by `settings.smtp_url`, or write it to a file. Raises OSError when it is not taken."""
    if settings.smtp_url:
        _send(settings.smtp_url, letter)
        return
    folder = settings.var / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]", "", letter["Message-ID"].partition("@")[0])
    (folder / f"{name}.eml").write_bytes(letter.as_bytes(policy=WIRE))


def _send(url: str, letter: EmailMessage) -> None:
    where = urlsplit(url)
    if where.scheme not in ("smtp", "smtps") or not where.hostname:
        raise Misconfigured("The setting 'smtp_url' must begin with smtp:// or smtps:// and name a host.")
    with _connect(where) as client:
        if where.username:
            client.login(unquote(where.username), unquote(where.password or ""))
        client.send_message(letter)


def _connect(where) -> smtplib.SMTP:
    """A connection that is encrypted where the server can do it, and always when a password follows."""
    if where.scheme == "smtps":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(where.hostname, where.port or 465, timeout=SECONDS, context=context)
    client = smtplib.SMTP(where.hostname, where.port or 25, timeout=SECONDS)
    client.ehlo()
    if client.has_extn("starttls"):
        client.starttls(context=ssl.create_default_context())
    elif where.username and where.hostname not in LOCAL:
        client.close()
        raise Misconfigured("The mail server offers no TLS; the password in 'smtp_url' was not sent to it.")
    return client
