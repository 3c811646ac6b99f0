"""The command line: `bizday init`, `serve`, `worker`, `deploy`, `lint`, `user …`, `verify`, `path`, `bundle`, `demo`.

Each command opens the platform from the settings (environment or TOML file), acts as the system with
"command line" as the reason in the log, calls the same verb as the pages do, and says in plain lines
what came of it. A refusal is one sentence on the error stream and exit code 1. `serve` is the web
server with a worker beside it in the same process; `worker` is the worker alone, any number at once.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import signal
import sys
import threading
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import click

from engine import archive, assembly, batches, cases, history, people, repository, runtime, xmlgate
from engine.errors import NotFound, Problem, Refused
from engine.platform import Settings, key_of
from engine.worker import Worker
from webapp import demo as demonstration
from webapp import extract, linting, migrations

REASON = "command line"


class Refusing(click.Group):
    """Turns each refusal of the engine into one line and exit code 1."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except Refused as refused:
            for problem in refused.problems:
                click.echo(_line(problem), err=True)
            raise click.ClickException(str(refused)) from refused


@click.group(cls=Refusing, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", type=click.Path(path_type=Path), help="TOML file with settings (else BIZDAY_CONFIG)."
)
@click.pass_context
def main(context, config):
    """Run and look after a Business-Day Platform."""
    context.obj = config


# --- opening ----------------------------------------------------------------------------------
@contextmanager
def _opened(config: Path | None, *, migrated: bool = True):
    platform = assembly.open_platform(Settings.read(os.environ, config))
    try:
        if migrated and not migrations.is_current(platform):
            raise click.ClickException("The database is not prepared; run `bizday init` first.")
        yield platform
    finally:
        platform.close()


def _doing(platform):
    return platform.work(people.SYSTEM, reason=REASON)


# --- setting up -------------------------------------------------------------------------------
@main.command()
@click.option("--demo", is_flag=True, help="Also make the invented organisation with its people.")
@click.pass_obj
def init(config, demo):
    """Make or migrate the database and deploy what lies in processes/."""
    with _opened(config, migrated=False) as platform:
        _prepare(platform, demo)


def _prepare(platform, demo: bool) -> None:
    _compile_catalogues(platform.settings.home)
    if not migrations.is_current(platform):
        migrations.upgrade(platform)
        click.echo(f"Database at revision {migrations.current(platform)}.")
    with _doing(platform) as work:
        assembly.prepare(work)
    if demo:
        demonstration.make(platform)
    _deploy_home(platform)


def _compile_catalogues(home: Path) -> None:
    for locale in extract.LOCALES:
        text = extract.catalogue_path(locale, home)
        binary = text.with_suffix(".mo")
        if text.exists() and (not binary.exists() or binary.stat().st_mtime < text.stat().st_mtime):
            extract.compile_all(home)


def _deploy_home(platform) -> None:
    """Deploy processes/ when a file of it is not the newest version already."""
    home = platform.settings.home
    files = {}
    for folder in sorted(path for path in (home / "processes").glob("*") if path.is_dir()):
        files |= repository.read_folder(folder, home / "forms" / folder.name)
    with platform.read(people.SYSTEM) as work:
        known = {row["digest"] for row in (*repository.definitions(work), *repository.decisions(work))}
        forms = (name.removesuffix(".json") for name in files if name.endswith(".json"))
        known |= {repository.form_digest(work, None, key) for key in forms}
    if files and not {hashlib.sha256(data).hexdigest() for data in files.values()} <= known:
        with _doing(platform) as work:
            _say_deployment(repository.deploy(work, files))


def _say_deployment(made) -> None:
    for row in made.definitions:
        click.echo(f"{row['key']} version {row['version']}: {row['name']}")
    for problem in made.problems:
        click.echo(_line(problem), err=True)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.pass_obj
def deploy(config, paths):
    """Deploy files (.bpmn .dmn .json) or folders as the newest versions."""
    with _opened(config) as platform, _doing(platform) as work:
        _say_deployment(repository.deploy(work, _files(paths, platform.settings.home)))


def _files(paths, home: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in paths:
        if path.is_dir():
            files |= repository.read_folder(path, home / "forms" / path.resolve().name)
        else:
            prefix = f"{path.resolve().parent.name}/" if path.suffix == ".json" else ""
            files[prefix + path.name] = path.read_bytes()
    return files


@main.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True,
              help="How to say it: to people, as one JSON object, or as SARIF 2.1.0.")
@click.option("--limit", type=click.FloatRange(min=0.1), default=linting.LIMIT, show_default=True,
              help="Seconds that one file may take; one that takes longer is reported and the others go on.")  # fmt: skip
@click.pass_obj
def lint(config, paths, form, limit):
    """Check models, tables and forms of any tool, as a deployment would; needs no database.

    FILE is a .bpmn, .bpmn2, .xml, .dmn or .json file, a folder of them, a pattern in quotes, or - for standard input.
    One that cannot be read or opened is reported as an error of its own, and the others are still looked at.

    \b
    Exit status:
      0  no errors; there may be warnings and remarks
      1  at least one error, or a file that does not open
      2  wrong usage
    """
    home = Settings.read(os.environ, config).home
    files = linting.files_of(paths, home)
    given = sys.stdin.buffer.read(xmlgate.SIZE + 1) if linting.STDIN in files else b""
    with _progress(linting.look_at(files, home, limit, given), len(files)) as looking:
        found = list(looking)
    click.echo(getattr(linting, f"as_{form}")(found))
    if any(one.is_wrong for one in found):
        raise SystemExit(1)


def _progress(steps, count: int):
    """A bar on the error stream, when that is a terminal and there is something to wait for."""
    if count < 2 or not sys.stderr.isatty():
        return nullcontext(steps)
    return click.progressbar(steps, length=count, label="Checking", file=sys.stderr)


def _line(problem: Problem) -> str:
    return f"{problem.severity}: {problem.where or 'file'}: {problem} [{problem.rule}]"


@main.command("cases")
@click.argument("verb", type=click.Choice(list(batches.VERBS)))
@click.argument("process")
@click.option("--version", type=int, help="Only cases of this version; migrate needs it.")
@click.option("--to", type=int, help="Version to which migrate moves.")
@click.option("--map", "pairs", multiple=True, metavar="OLD=NEW", help="Step that takes the place of another; again for more.")
@click.option("--reason", required=True, help="Why; it stands in the log of each case.")
@click.option("--dry-run", is_flag=True, help="Only say how many cases that would be, and what does not fit.")
@click.pass_obj
def act_on_cases(config, verb, process, version, to, pairs, reason, dry_run):
    """Suspend, resume, cancel or migrate all cases of PROCESS, or of one version of it.

    Waits until each is done or refused; the refused ones are told with their reason, and the exit code is 1 then.
    """
    mapping = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    with _opened(config) as platform:
        with platform.read(people.SYSTEM) as work:
            versions = {one["version"]: one["id"] for one in repository.versions(work, process)}
            of, target = _version(versions, version), _version(versions, to)
            if verb == "migrate" and not (of and target):
                raise click.UsageError("migrate needs --version and --to")
            found = batches.chosen(work, verb, definition_id=of, process_key=process)
            misfits = runtime.misfits_of(work, found, of, target, mapping) if verb == "migrate" else {}
        if dry_run:
            _say_misfits(misfits, len(found))
        elif found:
            _do_all(platform, verb, found, reason, target, mapping)


def _version(versions: dict[int, str], wanted: int | None) -> str | None:
    if wanted is not None and wanted not in versions:
        raise NotFound("There is no version %(version)s of this process.", version=wanted)
    return versions.get(wanted)


def _say_misfits(misfits: dict, count: int) -> None:
    click.echo(f"{count} cases; {len(misfits)} of them do not fit.")
    for instance_id, problems in misfits.items():
        click.echo(f"{instance_id}: {'; '.join(map(str, problems))}")


def _do_all(platform, verb: str, found: list[str], reason: str, target: str | None, mapping: dict[str, str]) -> None:
    """Have it done here and now; workers that run beside take their share."""
    with platform.work(people.SYSTEM, reason=reason) as work:
        batch_id = batches.begin(work, verb, found, reason, definition_id=target, mapping=mapping)
    while batches.portion(platform, batch_id):
        pass
    with platform.work(people.SYSTEM, reason=reason) as work:
        batches.close(work, batch_id)
        row = batches.one(work, batch_id)
        refused = batches.items(work, batch_id, "refused", limit=row["total"])
    click.echo(f"{row['done']} done, {row['refused']} refused, {row['waiting']} left of {row['total']}.")
    for one in refused:
        click.echo(f"{one['number'] or one['instance_id']}: {one['why']}", err=True)
    if refused:
        raise SystemExit(1)


@main.command()
@click.pass_obj
def demo(config):
    """Make the invented organisation; says its people's names and passwords."""
    with _opened(config) as platform:
        demonstration.make(platform)
        click.echo(demonstration.read(platform))


@main.command()
def settings():
    """Print every setting with its default and meaning, as the table of the README."""
    click.echo(settings_table())


def settings_table() -> str:
    """The fields of `Settings` and the comments above them, as a Markdown table."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    source = inspect.getsource(Settings)
    for comment, name in re.findall(r"((?:    #: .*\n)+)    (\w+): ", source):
        meaning = " ".join(part.strip().removeprefix("#: ") for part in comment.strip().splitlines())
        default = getattr(Settings, name)
        lines.append(f"| `BIZDAY_{name.upper()}` | {_default(name, default)} | {meaning} |")
    return "\n".join(lines)


def _default(name: str, value) -> str:
    """What the table says; a folder of this machine or a secret is nobody's default."""
    if name == "secret" or value == "":
        return ""
    return {"home": "the project's folder", "var": "`var/`"}.get(name, f"`{value}`")


# --- running ----------------------------------------------------------------------------------
@main.command()
@click.option(
    "--no-worker", is_flag=True, help="Leave timers and services to separate `bizday worker` processes."
)
@click.pass_obj
def serve(config, no_worker):
    """Serve the pages and the API."""
    with _opened(config) as platform:
        _serve(platform, not no_worker)


@main.command()
@click.pass_obj
def run(config):
    """Prepare everything with the demo organisation, then serve: what `make run` calls."""
    with _opened(config, migrated=False) as platform:
        _prepare(platform, demo=True)
        click.echo(f"\nDemo people (also in {demonstration.path(platform)}):\n{demonstration.read(platform)}")
        _serve(platform, with_worker=True)


def _serve(platform, with_worker: bool) -> None:
    from waitress.server import create_server

    from webapp import create_app

    settings = platform.settings
    server = create_server(
        create_app(platform), host=settings.host, port=settings.port, threads=settings.threads, ident=None,
        max_request_body_size=settings.upload_limit + 2 * 1024 * 1024,
    )  # fmt: skip
    beating = Worker(platform)
    if with_worker:
        beating.start()
    click.echo(f"bizday is served at {settings.address} (stop with Ctrl+C)")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("Stopping.")
    finally:
        beating.stop()
        server.close()


def _interrupt(number, frame):
    raise KeyboardInterrupt


@main.command()
@click.pass_obj
def worker(config):
    """Do what is due apart from the web server; any number of workers may run at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _opened(config) as platform:
        beating = Worker(platform)
        beating.start()
        click.echo("Worker started (stop with Ctrl+C).")
        stop.wait()
        beating.stop()


# --- people -----------------------------------------------------------------------------------
@main.group()
def user():
    """People and the groups they are in."""


@user.command("add")
@click.argument("login")
@click.argument("name")
@click.option("--email", default=None)
@click.option("--department", "department_key", default=None)
@click.option(
    "--kind", type=click.Choice(["employee", "partner", "visitor"]), default="employee", show_default=True
)
@click.option(
    "--ends-at",
    type=click.DateTime(),
    default=None,
    help="End of the account; partners and visitors need one.",
)
@click.option("--group", "groups", multiple=True, help="Group to join; may be given again.")
@click.password_option(help="Asked for when not given.")
@click.pass_obj
def user_add(config, login, name, password, groups, ends_at, **fields):
    """Add a person."""
    with _opened(config) as platform, _doing(platform) as work:
        given = {key: value for key, value in fields.items() if value is not None}
        if ends_at is not None:
            given["ends_at"] = ends_at.replace(tzinfo=platform.calendar.zone)
        person_id = _id_of(people.add_person(work, login, name, **given))
        people.set_password(work, person_id, password)
        for group in groups:
            people.join(work, person_id, group)
    click.echo(f"{login} added.")


def _id_of(person) -> str:
    return person if isinstance(person, str) else person["id"]


def _person(work, login: str) -> str:
    found = people.resolve(work, login)
    if found is None:
        raise click.ClickException(f"There is nobody with the login '{login}'.")
    return found


@user.command("password")
@click.argument("login")
@click.password_option()
@click.pass_obj
def user_password(config, login, password):
    """Give a person a new password."""
    with _opened(config) as platform, _doing(platform) as work:
        people.set_password(work, _person(work, login), password)
    click.echo(f"Password of {login} changed.")


@user.command("join")
@click.argument("login")
@click.argument("group")
@click.option("--until", type=click.DateTime(), default=None)
@click.pass_obj
def user_join(config, login, group, until: datetime | None):
    """Put a person into a group."""
    with _opened(config) as platform, _doing(platform) as work:
        end = until.replace(tzinfo=platform.calendar.zone) if until else None
        people.join(work, _person(work, login), group, until=end)
    click.echo(f"{login} is in {group}.")


@user.command("leave")
@click.argument("login")
@click.argument("group")
@click.pass_obj
def user_leave(config, login, group):
    """Take a person out of a group."""
    with _opened(config) as platform, _doing(platform) as work:
        people.leave(work, _person(work, login), group)
    click.echo(f"{login} is no longer in {group}.")


@user.command("list")
@click.argument("text", default="")
@click.pass_obj
def user_list(config, text):
    """List people whose login or name holds TEXT."""
    with _opened(config) as platform, platform.read(people.SYSTEM) as work:
        for row in people.find(work, text, 1000):
            state = "" if row["active"] else " (left)"
            click.echo(f"{row['login']:<16} {row['name']}{state}")


# --- the log ----------------------------------------------------------------------------------
@main.command()
@click.pass_obj
def verify(config):
    """Prove that no record of the log was changed, removed or added. Exit code 1 when one was."""
    with _opened(config) as platform, platform.read(people.SYSTEM) as work:
        report = history.verify(work)
    for fault in report.faults:
        click.echo(f"{fault.kind}: {fault.stream} record {fault.seq}: {fault.sentence}")
    click.echo(f"{report.events} records in {report.streams} chains, {len(report.faults)} faults.")
    if report.faults:
        raise SystemExit(1)


@main.command()
@click.argument("instance")
@click.pass_obj
def path(config, instance):
    """Print the path that a case took; INSTANCE is its number or id."""
    with _opened(config) as platform, platform.read(people.SYSTEM) as work:
        for row in history.path(work, _case(work, instance)["id"]):
            at = row["at"].astimezone(platform.calendar.zone).isoformat(" ", "seconds")
            click.echo(f"{at}  {row['type']:<20} {row['element_id'] or ''}")


@main.command()
@click.argument("instance")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def bundle(config, instance, file):
    """Write the archived case INSTANCE with its papers, path and opinions into FILE, a signed ZIP."""
    with _opened(config) as platform, _doing(platform) as work:
        data = archive.bundle(work, _case(work, instance)["id"])
        try:
            file.write_bytes(data)
        except OSError as error:  # nothing is kept then, not even that the case was taken out
            raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error
    click.echo(f"{file}: {len(data):,} bytes")


@main.command("verify-bundle")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def verify_bundle(config, file):
    """Prove that a bundle is whole and was signed here. Needs the secret and no database."""
    settings = Settings.read(os.environ, config)
    problems = archive.verify_bundle(file.read_bytes(), key_of(settings.secret, "archive"))
    for problem in problems:
        click.echo(_line(problem), err=True)
    if problems:
        raise click.ClickException(f"{file} is not what was archived: {len(problems)} faults.")
    click.echo(f"{file} is whole and was signed by this platform.")


def _case(work, said: str):
    try:
        return cases.by_number(work, said)
    except NotFound:
        return cases.one(work, said)


if __name__ == "__main__":
    main()
