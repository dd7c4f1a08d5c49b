"""The evaluation report on a table of evaluated poems with known faults, in a real browser."""

import json

import mlflow
import pandas as pd
import pytest

from pipeline.common.tables import write_report
from pipeline.common.tracking import artifact_page, mlflow_run
from pipeline.reports import evaluation
from pipeline.reports.evaluation_cautions import cautions, compare
from pipeline.reports.page import Caution
from tests.support.browser import brightness, faults, opened
from tests.support.made_up import changed_params, made_up_poem

SCRIPT = "<script>document.title = 'broken in'</script>"
STOLEN = "the winter kept its own account of snow and would not pay"
SOURCE = f"A line before it,\nand {STOLEN},\nand a line behind."
LANGUAGES = {"en": "English", "es": "Spanish"}


def row(writer: str, language: str, number: int, **changes: object) -> dict[str, object]:
    """A row of the table of evaluated poems: half of them answer a first line, half the header of a test poem."""
    header = number % 2 or writer == "human"
    return {
        "writer": writer,
        "language": language,
        "first_line": None if header else f"First line {number}",
        "author": f"Author {number}" if header else None,
        "style": "ballad" if header else None,
        "title": f"Title {number}" if header else None,
        "seed": None if writer == "human" else number,
        "text": made_up_poem(language, 8, number + 100 * len(writer)),
        "ended": True,
        "language_adherence": True,
        "foreign_lines": 0.0,
        "seq_rep_4": 0.01 * number,
        "repeated_lines": 0.0,
        "loops": False,
        "longest_copied_run": 3,
        "copied_text": "",
        "nearest_title": "Accounts",
        "nearest_author": "Ada Wren",
        "nearest_text": SOURCE,
        "nearest_similarity": 0.1,
    } | changes


def evaluated(writers: tuple[str, ...] = ("base", "tuned", "champion", "human"), each: int = 16) -> pd.DataFrame:
    """A table in which the tuned model copies once, switches language once, is cut off once and attacks once."""
    rows = [row(writer, language, number) for writer in writers for language in LANGUAGES for number in range(each)]
    marked = {
        0: {
            "text": f"Once more\n{STOLEN.capitalize()};\nand then no more",
            "longest_copied_run": 12,
            "copied_text": STOLEN,
        },
        1: {"text": f"{SCRIPT}\nA second line", "title": SCRIPT},
        2: {"foreign_lines": 0.5, "language_adherence": False},
        3: {"text": "", "ended": False},
    }
    for number, changes in marked.items():
        place = next(k for k, one in enumerate(rows) if one["writer"] == "tuned" and one["seed"] == number)
        rows[place] |= changes
    return pd.DataFrame(rows)


def report_with(tuned: float = 1.4, writers: tuple[str, ...] = ("base", "tuned", "champion")) -> dict:
    """A report of two metrics: tuned predicts far better than base, and repeats itself more than human poems do."""
    bits = {"base": 1.8, "tuned": tuned, "champion": 1.45}
    repeats = {"base": 0.2, "tuned": 0.2, "champion": 0.1, "human": 0.01}
    report: dict = {"base": "a base (4-bit weights)", "values": {}, "intervals": {}, "gains": {}}
    for name, values, half in (("bits_per_byte", bits, 0.1), ("seq_rep_4", repeats, 0.005)):
        known = {writer: value for writer, value in values.items() if writer in (*writers, "human")}
        report["values"][name] = {writer: dict.fromkeys(LANGUAGES, value) for writer, value in known.items()}
        report["intervals"][name] = {
            writer: {code: [value - half, value + half] for code in LANGUAGES} for writer, value in known.items()
        }
        for other in set(writers) - {"tuned"}:
            gain = known[other] - known["tuned"]
            ends = [gain, gain - half, gain + half]
            report["gains"].setdefault(other, {})[name] = {code: list(ends) for code in LANGUAGES}
    return report


def loss_curve(last: float = 1.5) -> pd.DataFrame:
    values = {10: 1.7, 20: 1.5, 30: last}
    rows = [(step, code, value, 2.0) for step, value in values.items() for code in LANGUAGES]
    return pd.DataFrame(rows, columns=["step", "language", "bits_per_byte", "train_loss"])


@pytest.fixture(scope="module")
def project(tmp_path_factory, mlflow_store):
    """A project as it stands after the stage ran, and the run it logged to."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_store)
        (folder / "params.yaml").write_text(changed_params({}).model_dump_json(by_alias=True))
        evaluation.POEMS.parent.mkdir(parents=True)
        evaluated().to_parquet(evaluation.POEMS)
        write_report(report_with(), folder / evaluation.REPORT)
        write_report({"steps": 30, "device": "cpu"}, folder / evaluation.TRAINING)
        evaluation.LOSS.parent.mkdir()
        loss_curve().to_csv(evaluation.LOSS)
        with mlflow_run() as run:
            write_report({"run_id": run.info.run_id}, folder / "models/run.json")
        evaluation.main()
    return folder


@pytest.fixture(scope="module")
def page(project):
    return project / evaluation.PAGE


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "light"), (1280, "dark")])
def test_it_reads_well_on_every_screen(browser, page, width, scheme, tmp_path):
    with opened(browser, page, width, scheme) as shown:
        assert shown.get_by_role("heading", level=1).inner_text() == "Is the tuned model better?"
        assert faults(shown) == []
        assert (brightness(shown, tmp_path / "page.png") > 128) == (scheme == "light")


def test_it_is_an_artifact_of_the_run_that_trained_the_model(project, page, mlflow_store, tmp_path):
    run_id = json.loads((project / "models/run.json").read_text())["run_id"]
    mlflow.set_tracking_uri(mlflow_store)
    logged = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path="reports/evaluation.html", dst_path=tmp_path
    )
    with open(logged, encoding="utf-8") as file:
        assert file.read() == page.read_text(encoding="utf-8")


def test_it_has_an_address_in_the_mlflow_ui(project, mlflow_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store)
    run_id = json.loads((project / "models/run.json").read_text())["run_id"]
    address = artifact_page(run_id, "reports/evaluation.html")
    assert address.startswith("http://127.0.0.1:5000/#/experiments/")
    assert address.endswith(f"/runs/{run_id}/artifacts/reports/evaluation.html")
    assert artifact_page("0" * 32, "reports/evaluation.html") is None


def test_a_poem_with_markup_is_text(browser, page):
    with opened(browser, page) as shown:
        assert shown.title() == "Is the tuned model better?"
        assert shown.locator("script").count() == 0
        assert shown.locator(".poem", has_text=SCRIPT).count() > 0


def test_every_metric_is_a_chart_that_describes_itself(browser, page):
    with opened(browser, page) as shown:
        charts = shown.locator("#metrics ~ .grid svg")
        assert charts.count() == 4
        text = charts.first.get_attribute("aria-label")
        assert text == "Bits per byte, English: base 1.800, tuned 1.400, champion 1.450"
        assert shown.locator("#metrics ~ .grid svg line.human").count() == 2  # human poems have no bits per byte
        assert shown.locator("polyline").count() == 2


def test_poems_for_one_request_are_side_by_side(browser, page):
    with opened(browser, page) as shown:
        requests = shown.locator("#samples-es ~ article.prompt")
        assert requests.count() == evaluation.PROMPTS
        first = requests.first.locator(".poem")
        tops = [first.nth(place).bounding_box()["y"] for place in range(first.count())]
        assert len(set(tops)) == 1
        assert requests.first.locator(".by b").all_inner_texts() == ["base", "tuned", "champion"]
        assert requests.last.locator(".by b").all_inner_texts() == ["base", "tuned", "champion", "human"]
        assert {poem.get_attribute("lang") for poem in first.all()} == {"es"}


def test_poems_are_stacked_on_a_phone(browser, page):
    with opened(browser, page, width=360) as shown:
        poems = shown.locator("#samples-es ~ article.prompt").first.locator(".poem")
        assert len({poems.nth(place).bounding_box()["x"] for place in range(poems.count())}) == 1


def test_copied_words_are_marked_in_the_poem_and_in_its_source(browser, page):
    with opened(browser, page) as shown:
        marks = shown.locator("section", has=shown.locator("#copied")).locator("mark").all_inner_texts()
    assert marks == [STOLEN.capitalize(), STOLEN]


def test_the_worst_poems_are_shown_with_their_faults(browser, page):
    with opened(browser, page) as shown:
        text = shown.locator("section", has=shown.locator("#worst")).inner_text()
    assert "most lines in another language: 50%" in text
    assert "longest copied run, in words: 12" in text
    assert "English: typical" in text


def test_all_sections_are_reached_by_keyboard(browser, page):
    with opened(browser, page) as shown:
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.className") == "skip"
        for name in evaluation.SECTIONS.values():
            shown.keyboard.press("Tab")
            assert shown.evaluate("document.activeElement.innerText") == name
        shown.keyboard.press("Enter")
        assert shown.url.endswith("#made")


def test_the_head_says_what_the_base_really_is(browser, page):
    with opened(browser, page) as shown:
        assert "The base is a base (4-bit weights)." in shown.locator(".lead").inner_text()
        assert shown.get_by_role("row", name="Base model").inner_text().endswith("a base (4-bit weights)")


def warnings_of(
    report: dict | None = None, poems: pd.DataFrame | None = None, loss: pd.DataFrame | None = None
) -> list[Caution]:
    report = report or report_with()
    others = {other: compare(report, other) for other in report["gains"]}
    poems, loss = evaluated() if poems is None else poems, loss_curve() if loss is None else loss
    return cautions(report, poems, loss, LANGUAGES, others)


def text_of(found: list[Caution]) -> str:
    return " ".join(caution.text for caution in found)


def test_warnings_name_what_is_wrong():
    text = text_of(warnings_of())
    assert "1 poem of 16 in English copies a training poem (human poems: 0%); the longest run is 12 words." in text
    assert "6% of its poems in English are not wholly in English (human poems: 0%)" in text
    assert "are not wholly in Spanish" not in text
    assert "1 poem in English is empty" in text
    assert "16 in English and 16 in Spanish" in text
    assert "It repeats itself more than human poems do. Repeated 4-grams: 20% against 1.0% in English" in text
    assert "Tuned may predict test poems in English and Spanish no better than champion" in text
    assert "no better than base" not in text
    assert (
        "Tuned is further from human poems than champion: repeated 4-grams (English) and repeated 4-grams (Spanish)"
        in text
    )
    assert "training went on too long" not in text


def test_a_model_without_faults_has_no_warning():
    report = report_with(tuned=1.0, writers=("base", "tuned"))
    for values in (report["values"]["seq_rep_4"], report["intervals"]["seq_rep_4"]):
        values["tuned"] = values["human"]
    report["gains"]["base"]["seq_rep_4"] = {code: [0.19, 0.18, 0.2] for code in LANGUAGES}
    poems = pd.DataFrame(
        [row(writer, code, n) for writer in ("base", "tuned", "human") for code in LANGUAGES for n in range(60)]
    )
    assert warnings_of(report, poems) == []


def test_a_model_that_learnt_the_words_of_the_genre_is_not_warned_of_copying():
    rows = [row("tuned", "en", n, nearest_similarity=0.2) for n in range(60)]
    rows += [row("human", "en", n, nearest_similarity=0.18) for n in range(60)]
    assert "copies" not in text_of(warnings_of(poems=pd.DataFrame(rows)))


@pytest.mark.parametrize("copy", [{"longest_copied_run": 12}, {"nearest_similarity": 0.6}])
def test_copying_is_serious_where_it_is_much_more_than_in_human_poems(copy):
    def copying(tuned: int, human: int) -> list[Caution]:
        rows = [row("tuned", "en", n, **(copy if n < tuned else {})) for n in range(60)]
        rows += [row("human", "en", n, **(copy if n < human else {})) for n in range(60)]
        return [one for one in warnings_of(poems=pd.DataFrame(rows)) if "a training poem" in one.text]

    assert not copying(tuned=0, human=6)
    assert [one.serious for one in copying(tuned=6, human=3)] == [False]
    assert [one.serious for one in copying(tuned=12, human=3)] == [True]


def test_worse_is_serious_and_further_from_human_is_a_note():
    report = report_with()
    report["gains"]["base"] = {"ended": {"en": [-0.5, -0.6, -0.4]}, "nearest_similarity": {"en": [-0.02, -0.03, -0.01]}}
    serious = {one.text: one.serious for one in warnings_of(report) if "than base" in one.text}
    assert serious == {
        "Tuned is worse than base: ended on its own (English).": True,
        "Tuned is further from human poems than base: similarity to nearest training poem (English).": False,
    }


def test_a_loss_that_rises_at_the_end_is_named():
    text = text_of(warnings_of(loss=loss_curve(last=1.6)))
    assert "The loss on English validation poems rises after step 20: training went on too long" in text


def test_duplicate_poems_are_named():
    poems = evaluated()
    poems.loc[(poems["writer"] == "tuned") & (poems["seed"] > 9), "text"] = "The same again"
    assert "5 poems in English repeat another one word for word" in text_of(warnings_of(poems=poems))


def test_a_model_is_better_where_the_whole_interval_of_its_gain_is_above_zero():
    report = report_with()
    report["gains"]["base"]["seq_rep_4"]["en"] = [0.18, 0.17, 0.19]
    report["gains"]["base"]["novel_6"] = {"en": [0.5, 0.4, 0.6]}  # has no chart, so it does not count
    outcomes = {(one.name, one.language): one.outcome for one in compare(report, "base")}
    bits = {("bits_per_byte", code): "better" for code in LANGUAGES}
    assert outcomes == bits | {("seq_rep_4", "en"): "better", ("seq_rep_4", "es"): "close"}


def test_without_a_champion_the_page_has_two_models(tmp_path):
    writers = ("base", "tuned", "human")
    page = evaluation.evaluation_page(
        report_with(writers=writers[:2]), evaluated(writers), loss_curve(), {}, changed_params({})
    )
    assert page["models"] == ["base", "tuned"]
    assert page["verdicts"] == {"base": {"better": 2, "worse": 0, "close": 2}}
