"""The status page in a real headless Chromium."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route

from poller.core.build_key import BuildKey
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobState
from poller.mapping.payload import JobRun, RunStage, RunStages, RunStep, encode
from tests.status.conftest import Service, serve
from tests.support.site import GUID, simulated

SCRIPT = "<script>document.title='broken'</script><img src=x onerror=alert(1)>"
MIRRORED = "‮evil‭ שלום ‏"
HUGE = "x" * 10_000
HOSTILE = (f"team {SCRIPT.replace('/', '')}", f"team {MIRRORED}", HUGE)
PATHS = ("/", "/builds", "/search?q=app", "/search?q=nothing-like-it", "/nothing")

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with some history, a rejected build, and jobs of hostile names."""
    with (
        simulated(tmp_path_factory.mktemp("page")) as site,
        serve(site, site.controller(every="1s", logs="failed")) as running,
    ):
        running.wait_polled()
        record_hostile(site.ledger)
        site.jenkins.job("team/app").build(duration=60_000)
        site.jenkins.job("team/app").build(result="FAILURE")
        site.jenkins.job("team/app").start()
        site.jenkins.job("plain", kind="freestyle").build()
        running.wait_delivered(3 + len(HOSTILE))
        failed = site.jenkins.job("team/logged").start()
        failed.log += f"compiling\nfatal: widget missing {SCRIPT}\n{MIRRORED}\n"
        failed.finish(result="FAILURE")
        running.wait(lambda: "team/logged" in running.get("/search?q=widget").text)
        site.sei.fail("*/custom-cicd", status=422, body=f"no: {SCRIPT}", times=1)
        site.jenkins.job("refused").build()
        running.wait(lambda: "rejected 1 build" in running.get("/").text)
        yield running


def record_hostile(path: Path) -> None:
    """Put builds of hostile names into the ledger, as Jenkins could have given them; their ids are
    1 to 3."""
    ledger = Ledger(path)
    controller = ledger.controllers.get("main", 0).id
    now = time.time_ns() // 1_000_000
    for place, name in enumerate(HOSTILE):
        start = BuildKey(1, 1_700_000_000_000 + place, 1 + place)
        build = BuildRow(start, 5, "FAILURE", "collected", None, hostile_payload(name))
        ledger.builds.record(controller, Batch(JobState(name), "Job", [build], 1), ["sei"], now)
    ledger.close()


def hostile_payload(name: str) -> bytes:
    """A job run with the name in every text of it."""
    step = RunStep(
        id="6",
        displayName=name,
        displayDescription=name,
        durationInMillis=2,
        result=name,
        state=name,
    )
    stage = RunStage(
        id="5", startTime="2023-11-14T22:13:20Z", displayName=name, displayDescription=name,
        durationInMillis=3, result=name, state=name, steps=[step],
    )  # fmt: skip
    return encode(
        JobRun(
            pipeline=name, job_full_name=name, qualified_name=name, instance_name="main",
            instance_guid=GUID, instance_url="http://x/", start_time=1_700_000_000_000, duration=5,
            result="FAILURE", build_number=1, execution_id="x",
            web_url=f"javascript:alert({name!r})", job_run=RunStages([stage]),
        )
    )  # fmt: skip


@pytest.fixture
def watched(chromium: Browser, service: Service) -> Iterator[Open]:
    """Opens pages; afterwards no console message, no error and no request to elsewhere is left."""
    found: list[str] = []
    contexts = []

    def elsewhere(route: Route) -> None:
        found.append(f"request to {route.request.url}")
        route.abort()

    def open_page(path: str, *, fails: bool = False, width: int = 1240, **keys: Any) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **keys)
        contexts.append(context)
        context.route(lambda url: not url.startswith(service.url), elsewhere)
        page = context.new_page()
        if not fails:
            page.on("console", lambda message: found.append(message.text))
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("dialog", lambda dialog: found.append(f"dialog {dialog.message}"))
        page.goto(service.url + path.lstrip("/"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert found == []


def test_the_first_page_says_what_is_wrong_first(watched: Open) -> None:
    """Then controllers, the day, the week, what was rejected, and the newest builds."""
    page = watched("/")
    assert page.title() == "1 to look at – sei-poller"
    assert page.locator("main > section").first.get_attribute("id") == "verdict"
    assert "sei rejected 1 build in the last day." in page.locator("#verdict").inner_text()
    main = page.locator("#controllers .row").nth(1).inner_text()
    assert "main" in main
    assert "well" in main
    assert "8 collected" in page.locator("#day-sei figcaption").inner_text()
    assert "7 delivered" in page.locator("#day-sei figcaption").inner_text()
    assert page.locator("#day-sei rect.delivered").count() == 24
    week = page.locator("#week").inner_text()
    assert "SUCCESS" in week
    assert "1 of 2" in page.locator("#failing").inner_text()
    assert "team/app" in page.locator("#failing").inner_text()
    rejected = page.locator("#rejected").inner_text()
    assert "refused #1" in rejected
    assert f"HTTP 422 no: {SCRIPT}" in " ".join(rejected.split())
    assert "in flight" in page.locator("#recent").inner_text()


def follow(link: Locator) -> None:
    """Click, and wait for the page that it leads to."""
    with link.page.expect_navigation():
        link.click()


@pytest.mark.campaign
def test_search_finds_jobs_and_builds(watched: Open) -> None:
    """By a part of a name, and by name and number, typed as a person would."""
    page = watched("/")
    page.get_by_role("searchbox").fill("team/a")
    page.keyboard.press("Enter")
    follow(page.get_by_role("link", name="team/app"))
    assert page.locator("h1").inner_text() == "team/app"
    page.get_by_role("searchbox").fill("team/app 2")
    follow(page.get_by_role("button", name="Search"))
    row = page.locator("section", has=page.locator("#h-builds")).locator(".row").nth(1)
    assert "FAILURE" in row.inner_text()
    follow(row.get_by_role("link"))
    assert page.locator("h1").inner_text() == "team/app #2"


@pytest.mark.campaign
def test_search_finds_what_a_log_says(watched: Open) -> None:
    """With the line; the build's page has the whole log, and its text stays text."""
    page = watched("/search?q=widget+missing")
    found = page.locator("section", has=page.locator("#h-logs"))
    assert "fatal: widget missing" in found.inner_text()
    assert page.locator("img").count() == 0
    follow(found.get_by_role("link").first)
    log = page.locator("section", has=page.locator("#h-log")).locator("pre")
    assert f"fatal: widget missing {SCRIPT}" in log.inner_text()
    assert MIRRORED in (log.text_content() or "")
    follow(page.get_by_role("link", name="log.txt"))
    assert "fatal: widget missing" in page.locator("body").inner_text()


@pytest.mark.campaign
def test_a_builds_stages_are_drawn_to_scale(watched: Open, service: Service) -> None:
    """Each bar begins and ends where its stage did, in percent of the build."""
    page = watched("/search?q=team/app+1")
    follow(page.locator("#h-builds ~ .rows a").first)
    run = next(
        r for r in service.site.sei.received
        if r["job_full_name"] == "team/app" and r["build_number"] == 1
    )  # fmt: skip
    stages = run["job_run"]["stages"]
    shown = page.locator("ol.stages > li")
    assert len(stages) == shown.count() == 3
    whole = page.locator("ol.stages svg.bar").first.bounding_box()
    assert whole
    for stage, item in zip(stages, shown.all(), strict=True):
        assert stage["displayName"] in item.inner_text()
        bar = item.locator("summary rect").bounding_box()
        assert bar
        wide = bar["width"] / whole["width"]
        assert wide == pytest.approx(max(stage["durationInMillis"] / 60_000, 0.004), abs=0.002)
        assert bar["x"] >= whole["x"]
    first = shown.first
    assert not first.locator("ol.steps").is_visible()
    first.locator("summary").press("Enter")
    assert stages[0]["steps"][0]["displayName"] in first.locator("ol.steps").inner_text()
    page.get_by_text("What was to be sent").click()
    assert run["execution_id"] in page.locator("pre").inner_text()


@pytest.mark.campaign
def test_a_build_without_stages_says_so(watched: Open) -> None:
    """A freestyle build has none."""
    page = watched("/search?q=plain+1")
    follow(page.locator("#h-builds ~ .rows a").first)
    assert "This build has no stages." in page.locator("main").inner_text()


@pytest.mark.campaign
@pytest.mark.parametrize(("scheme", "width"), [("light", 1240), ("dark", 390)])
def test_axe_finds_nothing(
    watched: Open, service: Service, scheme: Literal["light", "dark"], width: int
) -> None:
    """No violation of axe-core's rules on any page, light and dark, wide and on a phone."""
    for path in ("/", "/builds", "/search?q=app", "/builds/1", "/builds/4", "/jobs/4"):
        page = watched(path, width=width, color_scheme=scheme)
        for summary in page.locator("summary").all():
            summary.click()
        results = Axe().run(page)
        assert results.violations_count == 0, f"{path}\n{results.generate_report()}"
        page.context.close()


@pytest.mark.campaign
@pytest.mark.parametrize("path", [*PATHS, "/builds/1", "/builds/3", "/builds/4", "/jobs/3"])
def test_a_phone_scrolls_one_way_only(watched: Open, path: str) -> None:
    """Nothing is wider than 390 pixels, whatever it is called."""
    page = watched(path, width=390, fails=path == "/nothing")
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.campaign
@pytest.mark.parametrize("place", [0, 1, 2])
def test_hostile_names_are_text(watched: Open, place: int) -> None:
    """A script, marks that turn text around, and ten thousand characters stay what they are."""
    name = HOSTILE[place]
    page = watched(f"/builds/{place + 1}")
    assert page.title().endswith("– sei-poller")
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0
    for summary in page.locator("summary").all():
        summary.click()
    assert name in (page.locator("main").text_content() or "")
    assert (
        page.locator("h1").evaluate("e => getComputedStyle(e.querySelector('bdi')).unicodeBidi")
        == "isolate"
    )
    overview = watched("/")
    assert overview.evaluate("document.body.innerText.length") < 20_000
    assert overview.locator("img").count() == 0


@pytest.mark.campaign
def test_the_page_brings_itself_up_to_date(watched: Open, service: Service) -> None:
    """A new build appears by itself; paused, none does; without an answer it says that it is old."""
    page = watched("/", fails=True)
    page.clock.install()
    page.reload()
    button = page.locator("button.live")
    assert button.inner_text() == "Live: pause"
    service.site.jenkins.job("fresh").build()
    service.wait(lambda: "fresh" in service.get("/builds").text)
    assert page.get_by_text("fresh").count() == 0
    page.clock.run_for(16_000)
    page.locator("#recent").get_by_text("fresh").first.wait_for()
    button.click()
    assert button.inner_text() == "Paused: go on"
    service.site.jenkins.job("later").build()
    service.wait(lambda: "later" in service.get("/builds").text)
    page.clock.run_for(32_000)
    assert page.get_by_text("later", exact=True).count() == 0
    button.click()
    page.context.set_offline(True)
    page.clock.run_for(16_000)
    page.get_by_text("No answer: this page is old").wait_for()
    page.context.set_offline(False)


@pytest.mark.campaign
def test_without_javascript_it_is_whole(watched: Open) -> None:
    """All is there that the server made; only the refresh is not."""
    page = watched("/", java_script_enabled=False)
    assert "sei rejected 1 build" in page.locator("#verdict").inner_text()
    assert page.locator("button.live").count() == 0
    page.locator("#day-sei summary").click()
    assert page.locator("#day-sei tbody tr").count() == 24


@pytest.mark.campaign
def test_it_is_used_by_keyboard(watched: Open) -> None:
    """The first stop skips the header; every stop is seen; the search is reached and works."""
    page = watched("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.reload()
    seen = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "[document.activeElement.id || document.activeElement.textContent.trim(),"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    assert ["q", "solid"] in seen
    assert {"solid"} == {style for _, style in seen}


@pytest.mark.campaign
def test_old_builds_are_reached_page_by_page(watched: Open, service: Service) -> None:
    """Every build once, newest first."""
    for _ in range(110):
        service.site.jenkins.job("many").build()
    service.wait(lambda: service.get("/search?q=many+110").text.count("delivered") > 0)
    page = watched("/builds")
    seen: list[str] = []
    while True:
        seen += page.locator(".rows a.name").evaluate_all("all => all.map(a => a.href)")
        older = page.get_by_role("link", name="Older builds")
        if not older.count():
            break
        follow(older)
    assert len(set(seen)) == len(seen) >= 110 + 5 + len(HOSTILE)


@pytest.mark.campaign
def test_what_is_sent_again_is_no_problem_any_more(watched: Open, service: Service) -> None:
    """The command that the page names mends it; the next look says that all is well."""
    page = watched("/")
    command = page.locator("#verdict code").inner_text()
    assert command == "sei-poller retry --all"
    assert service.site.run(*command.split()[1:]).returncode == 0
    service.site.jenkins.job("one more").build()
    service.wait(lambda: "All well" in service.get("/").text)
    assert "Nothing was rejected." in watched("/").locator("#rejected").inner_text()
