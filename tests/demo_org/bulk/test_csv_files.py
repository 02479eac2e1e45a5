"""Result lines: three ways of writing them, one outcome."""

import csv
import io

import pytest

from integrations.demo_org.bulk.csv_files import quoted_lines


@pytest.mark.parametrize("line_ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "rows",
    [
        [["1", "plain"], ["2", "with, comma"]],
        [["1", 'say "hi"'], ["2", '"'], ["3", "two\nlines"], ["4", ""]],
        [["1", 'a "quote" and \x1f'], ["2", "\x1e"]],
        [['"only"']],
    ],
)
def test_lines_are_quoted_like_the_csv_module_does(rows, line_ending) -> None:
    wanted = io.StringIO(newline="")
    csv.writer(wanted, delimiter=";", lineterminator=line_ending, quoting=csv.QUOTE_ALL).writerows(rows)
    assert quoted_lines(rows, delimiter=";", line_ending=line_ending) == wanted.getvalue().encode()
