"""The page in a real browser: type, read a poem as it comes, save it, switch language, blend, compare, vote."""

import json
import re
from itertools import combinations
from urllib.parse import urlsplit

import httpx
import pytest
from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import expect

from app.page import HERE, preferred_language, translations
from pipeline.common.tables import POEM_SCHEMA, write_table
from tests.support.browser import PATIENCE
from tests.support.made_up import made_up_poems, wait_until
from tests.support.served import metric, new_version, params_of, running, running_slowly

expect.set_options(timeout=PATIENCE)

VERSE = "the river keeps\nits silver under stones\n\nand nobody who crosses\nasks what it is owed by rain"


@pytest.fixture(scope="module")
def address(served_store, tiny_bases, tmp_path_factory):
    new_version("read", tiny_bases["llama"], "champion")
    new_version("read", tiny_bases["gemma3"], "challenger")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        write_table(made_up_poems(5), "data/tagged/poems.parquet", POEM_SCHEMA)
        with running(params_of("read", tiny_bases["gpt2"])) as address:
            yield address


@pytest.fixture
def open_page(browser, address):
    """Opens the page with options of a browser context; a fault that the browser reports fails the test."""
    contexts, faults = [], []

    def open_page(path="/", **options):
        context = browser.new_context(**{"locale": "en-GB", "base_url": address} | options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [fault for fault in faults if "429" not in fault and "404" not in fault] == []  # which tests provoke


@pytest.fixture
def page(open_page):
    """The page in English on a desktop."""
    return open_page(permissions=["clipboard-read", "clipboard-write"])


def write(page, line=VERSE):
    """Ask for a poem and wait until it is finished; its lines as they are set."""
    page.get_by_label("First line").fill(line)
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#state")).to_have_text("Finished.")
    return lines(page)


def lines(page):
    return page.locator("#sheets .poem span").all_text_contents()


def slide(page, label, value):
    page.get_by_label(label).fill(str(value))


def test_a_poem_is_set_with_its_lines_and_stanzas_and_says_who_wrote_it(page):
    set_lines = write(page)
    assert set_lines[:3] == ["the river keeps", "its silver under stones", "and nobody who crosses"]
    assert page.locator("#sheets .poem p").nth(0).locator("span").count() == 2
    expect(page.locator("#sheets .colophon")).to_contain_text("read, version 1 · English · seed ")


def test_words_appear_while_the_poem_is_written_and_escape_stops_it(open_page, served_store, tiny_bases):
    with (
        running_slowly(params_of("nobody", tiny_bases["llama"]), model=tiny_bases["llama"]) as slow,
        httpx.Client(base_url=slow, timeout=300) as api,
    ):
        page = open_page(base_url=slow)
        page.get_by_text("Length, temperature and seed").click()
        slide(page, "Word limit", 400)
        slide(page, "Temperature", 1.5)
        page.get_by_label("Seed").fill("0")
        page.get_by_label("First line").fill(VERSE)
        page.get_by_label("First line").press("Enter")
        expect(page.locator("#sheets .writing .poem")).to_contain_text("and nobody who crosses")
        page.keyboard.press("Escape")
        expect(page.locator("#state")).to_have_text("Stopped.")
        wait_until(lambda: metric(api, 'estrofa_poems_total{outcome="cancelled"}') == 1)
        page.close()


def test_another_poem_differs_and_a_seed_brings_one_back(page):
    first = write(page)
    seed = re.search(r"seed (\d+)", page.locator("#sheets .colophon").inner_text())[1]
    page.get_by_role("button", name="Write another").click()
    expect(page.locator("#sheets .colophon")).not_to_contain_text(f"seed {seed}")
    expect(page.locator("#sheets .colophon")).to_contain_text("seed ")
    assert lines(page) != first
    page.get_by_text("Length, temperature and seed").click()
    page.get_by_label("Seed").fill(seed)
    assert write(page) == first


def test_the_page_is_in_the_browsers_language_and_switching_it_loses_nothing(open_page):
    page = open_page(locale="es-ES")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.get_by_label("Primer verso").fill("la lluvia de enero")
    page.get_by_role("radio", name="A ciegas").check(force=True)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("button", name="Write", exact=True)).to_be_visible()
    expect(page.get_by_label("First line")).to_have_value("la lluvia de enero")
    expect(page.get_by_role("radio", name="Blind")).to_be_checked()


def test_a_spanish_line_gets_a_poem_marked_as_spanish(page):
    write(page, "el río guarda su plata bajo piedras")
    expect(page.locator("#sheets .poem")).to_have_attribute("lang", "es")
    page.get_by_role("radio", name="English").check(force=True)
    write(page, "el río guarda su plata bajo piedras")
    expect(page.locator("#sheets .poem")).to_have_attribute("lang", "en")


def test_saved_poems_survive_a_reload_until_they_are_removed(page):
    write(page)
    page.get_by_role("button", name="Save").click()
    page.reload()
    page.locator("#saved summary").click()
    expect(page.locator("#saved .poem")).to_contain_text("its silver under stones")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#saved")).to_contain_text("Poems you save appear here")
    page.reload()
    expect(page.locator("#saved li")).to_have_count(0)


def test_a_poem_can_be_copied_downloaded_and_made_a_picture(page, tmp_path):
    write(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith(VERSE)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download text").click()
    assert download.value.suggested_filename == "the-river-keeps.txt"
    assert download.value.path().read_text("utf-8").startswith(VERSE)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download image").click()
    download.value.save_as(tmp_path / "poem.png")
    with Image.open(tmp_path / "poem.png") as picture:
        assert picture.width == 1080
        assert picture.height > 400
        assert len(picture.convert("L").getcolors()) > 20  # letters, with their smooth edges


def test_authors_and_styles_are_suggested_and_two_are_blended_as_the_slider_says(page):
    page.get_by_text("Author, style and title").click()
    assert page.locator("#styles option").first.get_attribute("value") == "ballad"
    assert page.locator("#authors option").count() == 5
    page.get_by_label("In the manner of", exact=True).fill("Author 1")
    page.get_by_label("Blend with a second author or style").check()
    page.get_by_label("Second form or style").fill("ballad")
    slide(page, "Weight of the second", 70)
    with page.expect_request("**/api/poems/stream") as request:
        write(page)
    asked = request.value.post_data_json
    assert asked["author"] == "Author 1"
    assert asked["blend"] == {"author": None, "style": "ballad", "weight": 0.7}


def test_base_champion_and_challenger_write_side_by_side(page):
    page.get_by_role("radio", name="Side by side").check(force=True)
    write(page)
    sheets = page.locator("#sheets .sheet")
    assert sheets.locator("h2").all_inner_texts() == ["Base", "Champion", "Challenger"]
    assert "read, version 1" in sheets.nth(1).inner_text()
    assert "read, version 2" in sheets.nth(2).inner_text()
    assert len({sheet.locator(".poem").inner_text() for sheet in sheets.all()}) == 3
    assert re.search(r"seed (\d+)", sheets.nth(0).inner_text())[1] in sheets.nth(2).inner_text()


def test_a_blind_vote_names_the_writers_and_goes_to_mlflow(page):
    page.get_by_role("radio", name="Blind").check(force=True)
    page.get_by_role("radio", name="champion · challenger").check(force=True)
    write(page)
    assert "version" not in page.locator("#sheets").inner_text()
    expect(page.get_by_role("heading", name="Which poem is better?")).to_be_visible()
    page.get_by_role("button", name="Left").click()
    expect(page.locator("#state")).to_have_text("Your vote was counted.")
    left, right = page.locator("#sheets .colophon").all_inner_texts()
    assert left.endswith("1 of 1 votes")
    assert right.endswith("0 of 1 votes")
    winner = re.search(r"version (\d)", left)[1]
    assert MlflowClient().get_model_version("read", winner).tags["votes_won"] == "1"
    expect(page.locator("#ballot")).to_be_hidden()


def test_a_full_queue_is_explained(open_page, served_store, tiny_bases):
    long = {"max_words": 400, "temperature": 5.0, "top_p": 1.0, "top_k": 0, "seed": 0}
    with running_slowly(params_of("nobody", tiny_bases["llama"]), model=tiny_bases["llama"], queue_size=1) as busy:
        page = open_page(base_url=busy)
        with httpx.stream("POST", f"{busy}/api/poems/stream", json=long, timeout=300):
            page.get_by_role("button", name="Write", exact=True).click()
            expect(page.get_by_role("alert")).to_have_text(re.compile(r"Try again in \d+ seconds"))


def test_a_line_in_another_language_asks_for_the_language_of_the_poem(open_page):
    page = open_page(locale="es-ES")
    page.get_by_label("Primer verso").fill("Demain, dès l'aube, à l'heure où blanchit la campagne")
    page.get_by_role("button", name="Escribir", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(translations()["es"]["language_not_written"])
    expect(page.get_by_role("button", name="Volver a intentarlo")).to_be_hidden()


BEGUN = {"kind": "begun", "language": "en", "seed": 7, "model": {"name": "read", "version": "1"}}


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("", "The connection was lost before the poem was finished."),
        ('{"kind": "wor', "The connection was lost before the poem was finished."),
        ('{"kind": "error", "detail": "CUDA out of memory"}\n', "The model failed while writing."),
    ],
    ids=["cut between events", "cut within an event", "failed"],
)
def test_a_poem_that_breaks_off_stays_and_can_be_tried_again(page, last, message):
    events = [BEGUN, {"kind": "words", "text": "the river keeps\nits silver "}]
    broken = "".join(f"{json.dumps(event)}\n" for event in events) + last
    page.route("**/api/poems/stream", lambda route: route.fulfill(body=broken))
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(message)
    expect(page.locator("#state")).to_be_empty()
    assert lines(page) == ["the river keeps", "its silver"]
    expect(page.locator("#sheets .colophon")).to_have_text("read, version 1 · English · seed 7 · unfinished")
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == "the river keeps\nits silver"
    page.unroute("**/api/poems/stream")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#state")).to_have_text("Finished.")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()


def test_everything_can_be_reached_and_done_by_keyboard(page):
    page.keyboard.press("Tab")  # past the languages of the page to the first line
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_label("First line")).to_be_focused()
    page.keyboard.type("the river keeps")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Spanish")).to_be_checked()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text("Finished.")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.value ?? document.activeElement.textContent.trim()"))
    assert {
        "again",
        "save",
        "copy",
        "image",
        "download",
        "Author, style and title",
        "Length, temperature and seed",
    } <= reached


def test_screen_readers_hear_whole_lines_and_every_control_has_a_name(page):
    set_lines = write(page)
    spoken = page.locator("#announced")
    expect(spoken).to_have_attribute("aria-live", "polite")
    assert spoken.locator("p").all_text_contents()[:4] == [line for line in set_lines if line.strip()][:4]
    for summary in page.locator("form summary").all():
        summary.click()
    page.get_by_label("Blend with a second author or style").check()
    for control in page.locator("input, textarea, button").all():
        if control.is_visible():
            name = control.evaluate("element => element.labels?.[0]?.innerText || element.innerText")
            assert name.strip(), control.evaluate("element => element.outerHTML")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_sticks_out_on_a_narrow_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 800}, has_touch=True)
    for summary in page.locator("form summary").all():
        summary.click()
    page.get_by_role("radio", name="Side by side").check(force=True)
    write(page, "an unbroken line of quite some length that has to go on under itself on a phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_reduced_motion_is_respected(open_page):
    page = open_page(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.body, '::after').animationName") == "none"
    write(page)


def test_nothing_comes_from_another_host_not_even_the_api_page(open_page, address):
    page = open_page()
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.goto("/docs")
    expect(page.get_by_text("/api/poems/stream")).to_be_visible()
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(address).netloc}


def test_ink_stands_out_from_paper_by_day_and_by_night():
    css = (HERE / "static/page.css").read_text("utf-8")
    for theme in re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL):
        colour = dict(re.findall(r"--([\w-]+): (#\w{6});", theme))
        pairs = [(ink, paper) for ink in ("ink", "faded", "accent") for paper in ("paper", "sheet")]
        for ink, paper in [*pairs, ("on-accent", "accent")]:
            assert contrast(colour[ink], colour[paper]) >= 4.5, (ink, paper)  # WCAG 2.2, 1.4.3
        assert contrast(colour["edge"], colour["paper"]) >= 3, "the edge of a control"  # 1.4.11


def contrast(*colours):
    """The contrast ratio of WCAG 2.2 between two colours written as #rrggbb."""

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    darker, lighter = sorted(map(luminance, colours))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("es-AR,es;q=0.9,en;q=0.8", "es"),
        ("fr,de;q=0.9", "en"),
        ("en;q=0.3, es;q=0.9", "es"),
        ("", "en"),
        ("x;q=z", "en"),
    ],
)
def test_the_language_a_browser_prefers_is_chosen(accepted, language):
    assert preferred_language(accepted) == language


def test_every_translation_has_all_texts():
    for one, other in combinations(translations().values(), 2):
        assert one.keys() == other.keys()
