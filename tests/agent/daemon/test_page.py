"""The page at `/`: its files, and what a reader's browser makes of it beside a real extraction."""

import re
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.daemon.conftest import MakeDaemon
from agent.daemon.controller import WIDE, Controller, profile
from chromium import Chromium
from daemons import Daemon
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope
from support import Database

_MARKUP = "<img src=x onerror=alert(1)>"
_CLIPPED = "[...document.querySelectorAll('td, li, .figure')].filter(e => e.scrollWidth > e.clientWidth + 1)"
_ROW = "document.querySelector('#extractions tbody tr[data-key=\"{}\"]')"


class _Parts(HTMLParser):
    """What a document refers to, and what it would need 'unsafe-inline' for."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("src", "href", "action") if (value := given.get(name))]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


def test_the_page_is_made_of_its_own_files_and_holds_no_data(daemon: Daemon) -> None:
    daemon.token = ""
    page = daemon.ask("/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert daemon.store_url.rpartition("/")[2] not in page.text
    parts = _Parts()
    parts.feed(page.text)
    assert parts.inline == []
    waiting, seen = parts.addresses, {"/", "/openapi.json", "/metrics"}
    while waiting:
        address = waiting.pop()
        if address not in seen:
            assert address.startswith("/page/"), f"{address} is no file of the page"
            seen.add(address)
            file = daemon.ask(address)
            assert file.status == 200, address
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            assert file.headers["Content-Security-Policy"] == policy
            waiting += [f"/page/{name}" for name in re.findall(r'from "\./([\w.]+)"', file.text)]
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.text)
    assert len(seen) > 8
    assert daemon.ask("/api/v1/state").status == 401
    assert daemon.ask("/page/__init__.py").status == 404
    daemon.stop()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path / "chromium") as running:
        yield running


@pytest.mark.ci
def test_the_page_beside_an_extraction(
    make_daemon: MakeDaemon, source: Database, store: Database, browser: Chromium
) -> None:
    """Shows 9: progress moves, no console error, nothing from another host, no overflow at any width."""
    daemon = _slow_daemon(make_daemon)
    source.run(
        "CREATE TABLE item AS SELECT n AS id, repeat('x', 100) AS note FROM generate_series(1, 2000000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    browser.size(1280, 800)
    browser.open(daemon.url)
    browser.wait_for("document.activeElement.id === 'token'")
    assert not [url for url in browser.requests if "/api/" in url], "asked for data without a token"
    _enter(browser, daemon.make_token(Scope.READ))
    browser.wait_for("document.getElementById('extractions-notice').textContent.startsWith('There is none yet')")

    with Store(store.url) as opened:
        extraction_id = _start(opened, source, _MARKUP, Definition(table="item", chunk_rows=3000))
    row = _ROW.format(extraction_id)
    browser.wait_for(f"{row} !== null")
    assert _MARKUP in browser.value(f"{row}.textContent")
    assert browser.value("document.querySelector('main img')") is None
    done = f"Number({row}.querySelector('[role=progressbar]').getAttribute('aria-valuenow'))"
    all_ = browser.value(f"Number({row}.querySelector('[role=progressbar]').getAttribute('aria-valuemax'))")
    first = browser.value(done)
    assert first < all_ - 10
    browser.wait_for(f"{done} > {first} && {done} < {all_}")
    assert browser.value(f"{row}.querySelector('.state').textContent") == "▸ runningon this host"
    store.run("UPDATE extraction_chunks SET error = 'the source was away' WHERE state = 'waiting'")
    browser.wait_for(f"{row}.querySelector('.error').textContent === 'Tried again: the source was away'")
    browser.wait_for("document.getElementById('rate').textContent.replaceAll(',', '') > 0")
    browser.wait_for("new Set(document.querySelector('.stroke').getAttribute('d').match(/,[\\d.]+/g)).size > 1")
    grounds = set()
    for width, scheme in ((1280, "light"), (1280, "dark"), (700, "light"), (390, "light"), (390, "dark")):
        browser.size(width, 800, scheme)
        assert browser.value("document.documentElement.scrollWidth <= innerWidth"), f"overflow at {width}"
        assert browser.value(f"{_CLIPPED}.length") == 0, browser.value(f"{_CLIPPED}.map(e => e.outerHTML)")
        grounds.add(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2, "dark is another colour than light"
    daemon.tune(source_guard={"max_share_of_time": 1})  # it has been watched for long enough
    daemon.reload()
    browser.wait_for(f"{row}.dataset.state === 'succeeded'")
    assert browser.value(done) == all_

    assert browser.complaints == []
    assert {"/".join(url.split("/")[:3]) for url in browser.requests} == {daemon.url}
    assert not [url for url in browser.requests if daemon.token in url]
    daemon.stop()


@pytest.mark.ci
def test_the_page_says_what_is_wrong(
    make_daemon: MakeDaemon, source: Database, store: Database, browser: Chromium
) -> None:
    """A wrong token, a failed extraction, too many requests, an agent that is away and comes back, a revoked token."""
    daemon = _slow_daemon(make_daemon)
    notice = "document.getElementById('notice').textContent"
    browser.open(daemon.url)
    browser.wait_for("document.activeElement.id === 'token'")
    _enter(browser, "xa_nonsense")
    browser.wait_for(f"{notice}.includes('The token is not known')")
    assert browser.value("document.activeElement.id") == "token"
    assert browser.value("sessionStorage.length") == 0
    name = daemon.make_token(Scope.READ)
    _enter(browser, name)
    browser.wait_for("document.getElementById('ready').textContent === '✓ ready'")

    source.run("CREATE TABLE item (id bigint PRIMARY KEY, note text)", "INSERT INTO item VALUES (1, 'x')")
    with Store(store.url) as opened, opened.transaction():  # no job is seen before the column is gone
        extraction_id = _start(opened, source, "item", Definition(table="item"))
        source.run("ALTER TABLE item DROP COLUMN note")
    browser.wait_for(f"{_ROW.format(extraction_id)}?.dataset.state === 'failed'")
    assert "note" in browser.value(f"{_ROW.format(extraction_id)}.querySelector('.error').textContent")
    browser.wait_for("document.querySelector('#log li p')?.textContent.includes('failed')")
    browser.wait_for("document.getElementById('errors').textContent === '1'")

    port = int(daemon.url.rpartition(":")[2])
    daemon.configure(api={"port": port, "rate_per_second": 0.5, "burst": 1})
    daemon.reload()
    browser.wait_for(f"{notice}.includes('asks for fewer requests')")
    daemon.configure(api={"port": port})
    daemon.reload()
    browser.wait_for(f"{notice} === ''")

    daemon.stop()
    browser.wait_for(f"{notice}.includes('No answer since') && 'stale' in document.body.dataset")
    daemon.start()
    browser.wait_for(f"{notice} === '' && !('stale' in document.body.dataset)")

    with Store(store.url) as opened:
        for token in opened.tokens(valid=True):
            opened.revoke_token(token.name)
    browser.wait_for(f"{notice}.includes('was revoked')")
    assert browser.value("document.getElementById('agent').hidden")
    assert browser.value("sessionStorage.length") == 0
    assert not [told for told in browser.complaints if "Failed to load resource" not in told]
    daemon.stop()


@pytest.mark.ci
def test_the_page_says_how_a_rollout_goes(host: Daemon, controller: Controller, browser: Chromium) -> None:
    """A trial with its guards, the way back and why, and the watch of what was committed."""
    standing, back = (f"document.getElementById('{name}').textContent" for name in ("standing", "back"))
    reads = host.make_token(Scope.READ)
    host.make_token()
    browser.open(host.url)
    browser.wait_for("document.activeElement.id === 'token'")
    _enter(browser, reads)
    browser.wait_for("document.getElementById('ready').textContent === '✓ ready'")
    assert browser.value("document.getElementById('tuning').hidden")

    tried = controller.try_(host, profile(pool=WIDE))
    browser.wait_for(f"{standing}.startsWith('◐ on trial for rollout {tried.id}: back to the configuration')")
    assert "throughput: too little to judge" in browser.value(standing)
    assert "pool exhausted for 0 of 5 s" in browser.value(standing)
    controller.abort(tried, "of a test")
    browser.wait_for(
        f"{back}.endsWith('of rollout {tried.id} was taken back: rollout {tried.id} was aborted: of a test')"
    )
    assert browser.value(standing) == ""

    watched = controller.begin(profile(pool=WIDE), watch=3600)
    controller.put(host, watched)
    controller.commit(watched)
    browser.wait_for(f"{standing}.startsWith('◉ rollout {watched.id} is watched for 59 min')")
    browser.size(390, 800)
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints == []
    host.stop()


def _slow_daemon(make_daemon: MakeDaemon) -> Daemon:
    """Its relays rest most of the time, so that an extraction can be watched; its port outlives a restart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = make_daemon()
    daemon.configure(api={"port": port})
    daemon.tune(source_guard={"max_share_of_time": 0.05})
    return daemon.start()


def _enter(browser: Chromium, token: str) -> None:
    browser.type(token)
    browser.wait_for("document.getElementById('token').value === ''")


def _start(store: Store, source: Database, name: str, definition: Definition) -> int:
    """Put an extraction on the queue. Returns its id."""
    begun = start(store, open_source(source.url), name, source.url, None, definition, Settings())
    assert begun.snapshot is None
    return begun.extraction_id
