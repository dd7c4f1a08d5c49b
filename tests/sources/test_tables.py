"""CSV as people have it: every row is read right, or its line is named."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.tables import csv_rows
from tests.support.sources import fault, read, texts, write


def test_the_poetry_foundation_csv_keeps_its_cells_of_many_lines(tmp_path):
    header = ",Title,Poem,Poet,Tags\r\n"
    rows = (
        '0,"\r\r\n    Crane\r\r\n","\r\r\nThe crane, ""old""\r\r\nswings\r\r\n\r\r\nover\r\r\n",Ida,\r\n'
        '1,Two,"a\r\r\nb",Ida,x\r\n'
    )
    path = write(tmp_path / "PoetryFoundationData.csv", header + rows)
    first, second = read(path, columns={"text": "Poem", "title": "Title", "author": "Poet"})
    assert first["text"] == '\r\r\nThe crane, "old"\r\r\nswings\r\r\n\r\r\nover\r\r\n'
    assert first["title"].strip() == "Crane"
    assert second["url"] == "PoetryFoundationData.csv#2"


def test_a_csv_may_be_divided_by_semicolons(tmp_path):
    path = write(tmp_path / "poems.csv", "text;title\nuno, dos;Tres\n")
    assert read(path, columns={"title": "title"})[0]["text"] == "uno, dos"


def test_a_poem_longer_than_the_csv_modules_limit_is_read(tmp_path):
    path = write(tmp_path / "epic.csv", "text\n" + "a" * 200_000 + "\n")
    assert len(read(path)[0]["text"]) == 200_000


def csv(folder, content, **values):
    """Titles and texts of a file."""
    path = write(folder / "poems.csv", content)
    return [(record["title"], record["text"]) for record in read(path, columns={"title": "title"}, **values)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    content = f'title{delimiter}text\nCrane{delimiter}"one; two, three | four\nfive"\n'
    assert csv(tmp_path, content) == [("Crane", "one; two, three | four\nfive")]


def test_the_wanted_columns_decide_between_delimiters(tmp_path):
    path = write(tmp_path / "poems.csv", "text;notes, remarks, and, more\nuno, dos;x\n")
    assert texts(path) == ["uno, dos"]


@pytest.mark.parametrize(
    "above", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\n\n", " \n;;\n", "\r\n", "sep=;\n\n"], ids=repr
)
def test_lines_above_the_header_are_passed_over(tmp_path, above):
    assert csv(tmp_path, f"{above}title;text\nCrane;one\n") == [("Crane", "one")]


@pytest.mark.parametrize("above", ["# Poems, fetched today\n", "# Poems\n#by Ida; Ana\n\n", "# text\r\n"], ids=repr)
def test_comments_above_the_header_are_passed_over(tmp_path, above):
    assert csv(tmp_path, f"{above}title,text\nCrane,one\n# 2,# two\n") == [("Crane", "one"), ("# 2", "# two")]


def test_a_column_may_be_called_by_a_number_sign(tmp_path):
    assert csv(tmp_path, "#,title,text\n1,Crane,one\n") == [("Crane", "one")]
    assert texts(write(tmp_path / "poems.csv", "# no;text\n1;one\n")) == ["one"]


def test_a_title_above_the_header_is_an_error(tmp_path):
    path = write(tmp_path / "poems.csv", "Poems of the marsh\ntitle,text\nCrane,one\n")
    assert fault(path).problem == "no column 'text'; it has 'Poems of the marsh'"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_header_without_a_cell_for_the_rows_numbers_is_read_as_r_writes_it(tmp_path, delimiter):
    rows = ['"title","text"', '"1","Crane","one, two\nthree"', '"4","Gate","five"']
    assert csv(tmp_path, "\n".join(rows).replace('","', f'"{delimiter}"')) == [
        ("Crane", "one, two\nthree"),
        ("Gate", "five"),
    ]


@pytest.mark.parametrize(
    "rows", ["Crane,one,two\nGate,three,four\n", "1,one,two\n1,three,four\n", "1,one, two\n2,three, four\n"], ids=repr
)
def test_a_row_with_a_cell_too_many_is_no_row_with_a_number(tmp_path, rows):
    path = write(tmp_path / "poems.csv", f"title,text\n{rows}")
    assert fault(path).place == f"{path}: line 2"


@pytest.mark.parametrize("end", ["\n\x1a", "\r\n\x1a\x1a", "\x1a"], ids=repr)
def test_the_end_of_a_file_of_dos_is_no_row(tmp_path, end):
    assert csv(tmp_path, f"title,text\nCrane,one{end}") == [("Crane", "one")]
    assert texts(write(tmp_path / "poems.csv", f"text\none{end}")) == ["one"]
    assert texts(write(tmp_path / "poem.txt", f"one\ntwo{end}"))[0].split() == ["one", "two"]


def test_rows_may_end_in_a_line_feed_and_a_carriage_return(tmp_path):
    found = csv(tmp_path, "title,text\n\rCrane,one\n\rGate,two\n\r")
    assert [(title.strip(), text) for title, text in found] == [("Crane", "one"), ("Gate", "two")]


@pytest.mark.parametrize(
    "content", ["title,text\rCrane,one\ntwo\rGate,three\r", "title,text\nCrane,one\rtwo\rGate,three\r"], ids=repr
)
def test_an_error_shows_breaks_as_the_file_has_them(tmp_path, content):
    problem = fault(write(tmp_path / "poems.csv", content)).problem
    assert "cells where the header has 2" in problem
    assert "\\ufdd0" not in problem
    assert "\ufdd0" not in problem


def test_a_file_without_a_header_is_named_as_such_and_read_with_the_columns_of_params(tmp_path):
    path = write(tmp_path / "poems.csv", '2023-01-16,"one\ntwo"\n2023-01-17,three\n')
    error = fault(path)
    assert "the first line is no header" in error.problem
    assert "scrape.sources.mine.header" in error.remedy
    assert texts(path, header=["date", "text"]) == ["one\ntwo", "three"]
    assert "no column 'text'" in fault(path, header=["date", "poem"]).problem


def test_a_row_with_more_or_fewer_cells_than_the_header_is_named_by_its_line(tmp_path):
    path = write(tmp_path / "poems.csv", 'title,text\nCrane,"one\ntwo"\n\nFerry,three, four\nGate,five\n')
    error = fault(path)
    assert error.place == f"{path}: line 5"
    assert error.problem == "3 cells where the header has 2: 'Ferry', 'three', ' four'"
    assert "quotes" in error.remedy
    path = write(tmp_path / "poems.csv", "title,text\nCrane,one\nFerry\n")
    assert fault(path).place == f"{path}: line 3"


def test_what_stands_in_a_column_without_a_name_is_not_lost(tmp_path):
    path = write(tmp_path / "poems.csv", "title,text,,\nCrane,one,,\nFerry,two, three,\n")
    assert fault(path).place == f"{path}: line 3"
    path = write(tmp_path / "poems.csv", ",title,text,,\n0,Crane,one,,\n1,Ferry,two\n2,Gate,three,,,,\n")
    assert texts(path) == ["one", "two", "three"]


@pytest.mark.parametrize("quoted", [True, False])
def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path, quoted):
    rows = [f'P{number},"verse {number}\nand more"\n' if quoted else f"P{number},verse\n" for number in range(20)]
    for place in (0, 7, 19):
        broken = [*rows[:place], f'P{place},"verse and more\n', *rows[place + 1 :]]
        path = write(tmp_path / "poems.csv", "title,text\n" + "".join(broken))
        lines = 1 + sum(row.count("\n") for row in rows[:place])
        assert fault(path).place == f"{path}: line {lines + 1}"


def test_rows_between_two_stray_quotes_are_no_poem(tmp_path):
    path = write(tmp_path / "poems.csv", 'title,text\nA,one\nB,"two\nC,three\nD,four"\nE,five\n')
    error = fault(path)
    assert error.place == f"{path}: line 3"
    assert error.problem == "a quote in this row is not closed, and the next rows seem to stand in a cell"
    path = write(tmp_path / "poems.csv", 'text,title\none,A\n"two,B\nthree,C\nfour",D\nfive,E\n')
    assert fault(path).place == f"{path}: line 3"


def test_verse_with_commas_is_no_row(tmp_path):
    verse = "The lamp is low, the ledger shut,\nthe rain, the cart\nand takes, away"
    assert csv(tmp_path, f'title,text\nCrane,"{verse}"\n') == [("Crane", verse)]
    assert csv(tmp_path, f'text,title\n"{verse}",Crane\n"one\ntwo",Gate\n') == [("Crane", verse), ("Gate", "one\ntwo")]


def test_two_quotes_that_are_not_closed_are_no_pair(tmp_path):
    path = write(tmp_path / "poems.csv", 'title,text\nA,"one\nB,two\nC,"three\nD,four\n')
    assert fault(path).place == f"{path}: line 2"


def test_quotes_escaped_by_backslashes_are_read(tmp_path):
    content = 'title,text\nCrane,"One, \\"two,\\" he said,\na path C:\\\\"\nGate,"three \\"\\n four, \\""\n'
    assert csv(tmp_path, content) == [
        ("Crane", 'One, "two," he said,\na path C:\\'),
        ("Gate", 'three "\\n four, "'),
    ]


def test_a_backslash_at_the_end_of_a_quoted_cell_is_text(tmp_path):
    assert csv(tmp_path, 'title,text\nCrane,"one\\"\n"Gate\\","two"\n') == [("Crane", "one\\"), ("Gate\\", "two")]


def test_a_bare_carriage_return_is_a_break_inside_of_a_cell(tmp_path):
    content = 'title,text\nCrane,one\rtwo\nGate,"three\rfour"\nFerry,\rfive\r\n'
    assert csv(tmp_path, content) == [("Crane", "one\rtwo"), ("Gate", "three\rfour"), ("Ferry", "\rfive")]


def test_an_old_macs_lines_end_in_a_carriage_return(tmp_path):
    content = 'title,text\rCrane,"one\ntwo"\rGate,three\r'
    assert csv(tmp_path, content) == [("Crane", "one\ntwo"), ("Gate", "three")]


def test_line_ends_doubled_by_windows_are_read(tmp_path):
    content = 'title,text\r\r\nCrane,"one\r\r\ntwo"\r\r\nGate,three\r\r\n'
    assert [text.splitlines() for _, text in csv(tmp_path, content)] == [["one", "two"], ["three"]]


def test_a_tab_separated_cell_may_begin_with_a_quote(tmp_path):
    content = 'title\ttext\nCrane\t"One," he said\nFerry\ttwo\nGate\t"Three\nMill\tfour"\n'
    assert csv(tmp_path, content) == [
        ("Crane", '"One," he said'),
        ("Ferry", "two"),
        ("Gate", '"Three'),
        ("Mill", 'four"'),
    ]
    # Without the line that shows it, the two halves of a quotation would pass for one cell.
    content = 'title\ttext\nFerry\ttwo\nGate\t"Three\nMill\tfour"\n'
    assert [title for title, _ in csv(tmp_path, content)] == ["Ferry", "Gate", "Mill"]


def test_a_tab_separated_cell_in_quotes_may_hold_lines(tmp_path):
    content = 'title\ttext\nCrane\t"one\ntwo, ""three"""\n'
    assert csv(tmp_path, content) == [("Crane", 'one\ntwo, "three"')]


def test_a_space_may_stand_before_a_quote(tmp_path):
    assert csv(tmp_path, 'title, text\nCrane, "one, two\nthree"\n') == [("Crane", "one, two\nthree")]


def test_an_error_lists_ten_columns_that_have_a_name(tmp_path):
    path = write(tmp_path / "poems.csv", ",Title,Poem" + "," * 200 + "\n0,Crane,one" + "," * 200 + "\n")
    assert fault(path).problem == "no column 'text'; it has 'Title', 'Poem'"
    path = write(tmp_path / "poems.csv", ",".join(f"c{number}" for number in range(25)) + "\n")
    assert fault(path).problem.endswith("'c8', 'c9' and 15 more")


def test_a_column_that_stands_twice_is_named(tmp_path):
    path = write(tmp_path / "poems.csv", "text,text\none,two\n")
    assert fault(path).problem == "two columns are called 'text'"


# Without the reader's own marks, and without what parts the cells of tables of tabs or bars, which such tables lack;
# as in verse, a space follows a comma.
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\ufdd0\ufdd1\t|"), max_size=40).map(
    lambda cell: re.sub("[,;]", r"\g<0> ", cell)
)


@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r\r\n"]),
)
def test_whatever_is_written_as_csv_is_read_as_it_was(rows, delimiter, end):
    def quoted(cell):
        return '"' + cell.replace('"', '""') + '"'

    lines = [f"title{delimiter}text", *(delimiter.join(map(quoted, row)) for row in rows)]
    content = "".join(line + end for line in lines)
    found = csv_rows(lambda newline: io.StringIO(content, newline), None, ["text"], "poems.csv", "mine")
    wanted = [tuple(re.sub("\r+\n", "\r\n", cell) for cell in row) for row in rows] if end == "\r\r\n" else rows
    assert [(row["title"], row["text"]) for row in found] == wanted


def test_a_table_of_tabs_may_indent_verse_by_tabs(tmp_path):
    content = 'title\ttext\nCrane\t"one\n\ttwo\n\tthree"\n'
    assert csv(tmp_path, content) == [("Crane", "one\n\ttwo\n\tthree")]
