"""Who may look."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from clickwatch_dashboard.access import require_act
from clickwatch_dashboard.sessions import Sessions
from clickwatch_dashboard.users import Role, User, add_user, read_users
from clickwatch_servers.ports import free_port
from clickwatch_service import UserError
from dashboard_program import Dashboard, running_dashboard
from fastapi import HTTPException, Request

NEVER_ASKED = "postgresql://clickwatch_reader@127.0.0.1:1/clickwatch"


def test_beyond_loopback_it_does_not_start_without_a_login() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DASHBOARD_HOST": "0.0.0.0",
        "DASHBOARD_PORT": str(free_port()),
        "DATABASE_URL": NEVER_ASKED,
    }

    done = subprocess.run(
        [sys.executable, "-m", "clickwatch_dashboard", "run"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: DASHBOARD_HOST='0.0.0.0'")
    assert "DASHBOARD_USERS_FILE" in done.stderr


def test_with_a_login_nothing_is_shown_before_it(tmp_path: Path) -> None:
    file = tmp_path / "users"
    add_user(file, "ada", "correct horse")
    with running_dashboard(NEVER_ASKED, tmp_path, DASHBOARD_USERS_FILE=str(file), DATABASE_URL=NEVER_ASKED) as closed:
        api = closed.get("/api/days")
        page = closed.get("/day?day=2026-01-02")
        wrong = _log_in(closed, "ada", "battery staple")
        right = _log_in(closed, "ada", "correct horse", wanted="/day?day=2026-01-02")
        elsewhere = _log_in(closed, "ada", "correct horse", wanted="//evil.example/")
        cookie = right.headers["set-cookie"].partition(";")[0]
        inside = closed.get("/day", headers={"Cookie": cookie})
        forged = closed.get("/day", headers={"Cookie": f"{cookie[:-4]}0000"})

    assert (api.status_code, wrong.status_code) == (401, 401)
    assert page.status_code == 303
    assert page.headers["location"] == f"/login?next={quote('/day?day=2026-01-02', safe='')}"
    assert (right.status_code, right.headers["location"]) == (303, "/day?day=2026-01-02")
    assert "httponly" in right.headers["set-cookie"].lower()
    assert elsewhere.headers["location"] == "/"
    assert (inside.status_code, forged.status_code) == (200, 303)


def test_a_file_holds_no_password_and_nobody_else_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "users"
    add_user(file, "ada", "correct horse")
    add_user(file, "bob", "another one")
    add_user(file, "ada", "a newer one")

    users = read_users(file)

    assert users.with_password("ada", "a newer one") == User("ada", Role.LOOK)
    assert users.with_password("bob", "another one") == User("bob", Role.LOOK)
    assert users.with_password("ada", "correct horse") is None
    assert users.with_password("eve", "a newer one") is None
    assert "newer" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "password"), [("", "long enough"), ("a:b", "long enough"), ("ada", "short")])
def test_a_name_or_password_that_cannot_be_used_is_refused(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(UserError):
        add_user(tmp_path / "users", name, password)


def test_a_users_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ada:plain text\n")

    with pytest.raises(UserError, match="line 1 is no user"):
        read_users(tmp_path / "users")


def test_a_role_is_kept_with_the_name_and_an_older_line_may_look(tmp_path: Path) -> None:
    file = tmp_path / "users"
    add_user(file, "ada", "correct horse", Role.ACT)
    older = file.read_text().replace("ada:act:", "bob:")
    file.write_text(file.read_text() + older)

    users = read_users(file)

    assert users.with_password("ada", "correct horse") == User("ada", Role.ACT)
    assert users.with_password("bob", "correct horse") == User("bob", Role.LOOK)
    file.write_text(older.replace("bob:", "bob:rule:"))
    with pytest.raises(UserError, match="line 1 is no user"):
        read_users(file)


def test_who_may_look_may_not_act() -> None:
    def asked_by(user: User) -> Request:
        return Request({"type": "http", "state": {"user": user}})

    assert require_act(asked_by(User("ada", Role.ACT))).name == "ada"
    with pytest.raises(HTTPException, match="bob may look, not act") as refused:
        require_act(asked_by(User("bob", Role.LOOK)))
    assert refused.value.status_code == 403


def test_another_sites_page_changes_nothing(tmp_path: Path) -> None:
    with running_dashboard(NEVER_ASKED, tmp_path, DATABASE_URL=NEVER_ASKED) as dashboard:
        theirs, ours = (
            httpx2.post(f"{dashboard.url}/logout", headers={"Origin": origin}, timeout=120)
            for origin in ("https://evil.example", dashboard.url)
        )

    assert (theirs.status_code, ours.status_code) == (403, 303)


def test_a_session_ends_in_time_and_cannot_be_lengthened() -> None:
    sessions, ada = Sessions(b"key", 60), User("ada", Role.ACT)
    token = sessions.token(ada, now=1000)

    assert sessions.user(token, now=1059) == ada
    assert sessions.user(token, now=1060) is None
    assert Sessions(b"other", 60).user(token, now=1000) is None
    assert sessions.opened("login", token, now=1000) is None
    for broken in ("", ".", "x.y", token.replace(".", ""), "é.é", token[:-2]):
        assert sessions.user(broken, now=1000) is None


def _log_in(dashboard: Dashboard, name: str, password: str, wanted: str = "/") -> httpx2.Response:
    fields = {"name": name, "password": password, "next": wanted}
    return httpx2.post(f"{dashboard.url}/login", data=fields, timeout=120)
