"""Least squares with robust errors, for many nearly equal models over the same rows at once. Pure arithmetic on numpy arrays.

The columns of all models are those of one matrix, so its products are computed once. The variances are HC1 (White 1980;
MacKinnon & White 1985) and agree with statsmodels to eight digits (tested).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Floats = np.ndarray
ROWS = 8_192
"""Rows of one block: what is computed of them stays in the processor's cache."""
SAME = 1e-9
"""Share of a column's variance that must be its own, else it is a combination of columns before it."""


@dataclass(frozen=True)
class Fit:
    """Coefficients and their covariance."""

    coefficients: Floats
    covariance: Floats
    iterations: int = 0
    is_converged: bool = True
    log_likelihood: float = 0.0

    @property
    def errors(self) -> Floats:
        """Standard errors."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def contrast(self, weights: Floats) -> tuple[float, float]:
        """A weighted sum of coefficients, and its standard error."""
        variance = float(weights @ self.covariance @ weights)
        return float(weights @ self.coefficients), max(variance, 0.0) ** 0.5


def products(matrix: Floats, rows: Floats | None = None) -> Floats:
    """X'X over some rows (all of them)."""
    if rows is None:
        return matrix.T @ matrix
    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for block in blocks(rows):
        part = matrix[block]
        total += part.T @ part
    return total


def blocks(rows: Floats) -> list[Floats]:
    """Row numbers, some thousand at a time."""
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]


def independent_columns(gram: Floats) -> list[int]:
    """Columns that no combination of earlier ones equals, in order, by a Cholesky decomposition of X'X."""
    size = gram.shape[0]
    factor, kept = np.zeros((size, size)), list[int]()
    for column in range(size):
        row = factor[column, : len(kept)]
        for place, earlier in enumerate(kept):
            row[place] = (gram[column, earlier] - row[:place] @ factor[earlier, :place]) / factor[earlier, place]
        own = gram[column, column] - row @ row
        if gram[column, column] > 0 and own > SAME * gram[column, column]:
            factor[column, len(kept)] = own**0.5
            kept.append(column)
    return kept


def least_squares(matrix: Floats, outcome: Floats) -> Fit:
    """Ordinary least squares with HC1 errors."""
    count, width = matrix.shape
    inverse = np.linalg.inv(products(matrix))
    coefficients = inverse @ (matrix.T @ outcome)
    middle = np.zeros((width, width))
    for start in range(0, count, ROWS):
        part = matrix[start : start + ROWS]
        weighted = part * (outcome[start : start + ROWS] - part @ coefficients)[:, None]
        middle += weighted.T @ weighted
    return Fit(coefficients, inverse @ middle @ inverse * (count / (count - width)))


@dataclass(frozen=True)
class Entered:
    """A column that enters a model: which column of the matrix it takes the place of (None: no one), and its values in some
    rows."""

    instead_of: int | None
    values: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Effects:
    """Coefficients of the entered columns with HC1 errors; nan where a column is a combination of the others."""

    estimates: Floats
    errors: Floats

    @property
    def ratios(self) -> Floats:
        """t values."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimates / self.errors


def entered_effects(
    matrix: Floats, outcome: Floats, entered: Sequence[Entered], *, rows: Floats | None = None, gram: Floats | None = None
) -> Effects:
    """One model for each entered column: it, and all columns of the matrix but the one that it replaces (Frisch & Waugh 1933).

    The residual of the entered column on the others gives its coefficient; sums of powers of the residuals give the HC1
    error, so that one pass over the rows is enough for any number of models.
    """
    rows = np.arange(len(outcome)) if rows is None else rows
    gram = products(matrix, rows) if gram is None else gram
    width, many = matrix.shape[1], len(entered)
    across, with_outcome, squares = np.zeros((width, many)), np.zeros(width), np.zeros(many)
    for block in blocks(rows):
        part, values = matrix[block], _values(entered, block)
        across += part.T @ values
        with_outcome += part.T @ outcome[block]
        squares += (values * values).sum(axis=0)
    own, others = _coefficients(gram, across, with_outcome, entered)
    places = sorted({each.instead_of for each in entered}, key=lambda each: -1 if each is None else each)
    place_of = np.array([places.index(each.instead_of) for each in entered], dtype=int)
    sums = np.zeros((5, many))
    for block in blocks(rows):
        part = matrix[block]
        left = _values(entered, block) - part @ own
        rest = (outcome[block][:, None] - part @ others)[:, place_of]
        second, product = left * left, left * rest
        sums += [second.sum(0), product.sum(0), (product * product).sum(0), (second * product).sum(0), (second * second).sum(0)]
    return _effects(sums, squares, len(rows), width, entered)


def _values(entered: Sequence[Entered], block: Floats) -> Floats:
    return np.column_stack([each.values(block) for each in entered]).astype(float)


def _coefficients(gram: Floats, across: Floats, with_outcome: Floats, entered: Sequence[Entered]) -> tuple[Floats, Floats]:
    """Of the entered columns on the others, and of the outcome on the others (a column for each set of others)."""
    width = gram.shape[0]
    own = np.zeros_like(across)
    places = sorted({each.instead_of for each in entered}, key=lambda each: -1 if each is None else each)
    others = np.zeros((width, len(places)))
    independent = independent_columns(gram)  # in some of the rows a column may be a combination of others
    for number, place in enumerate(places):
        kept = np.array([column for column in independent if column != place], dtype=int)
        mine = np.array([index for index, each in enumerate(entered) if each.instead_of == place], dtype=int)
        right = np.column_stack([across[np.ix_(kept, mine)], with_outcome[kept]])
        solved = np.linalg.solve(gram[np.ix_(kept, kept)], right)
        own[np.ix_(kept, mine)], others[kept, number] = solved[:, :-1], solved[:, -1]
    return own, others


def _effects(sums: Floats, squares: Floats, count: int, width: int, entered: Sequence[Entered]) -> Effects:
    second, product, product_squared, third, fourth = sums
    is_own = second > SAME * np.maximum(squares, 1.0)
    columns = np.array([width + (each.instead_of is None) for each in entered])
    with np.errstate(divide="ignore", invalid="ignore"):
        estimates = product / second
        middle = product_squared - 2 * estimates * third + estimates**2 * fourth
        variances = np.maximum(middle, 0.0) / second**2 * count / (count - columns)
    return Effects(np.where(is_own, estimates, np.nan), np.where(is_own, np.sqrt(variances), np.nan))
