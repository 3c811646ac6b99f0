"""Spreadsheets in and out: many cases at once, and the template to fill in.

A CSV file (UTF-8, or GB 18030 as spreadsheets in China write it) or an .xlsx becomes a list of rows, each
a dict from field name to text; a head row may use the fields' names or their titles. Formulas are not
computed and count as text. Nothing here knows what a case is. What goes out is neutralised by `cases.harmless`.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from openpyxl import Workbook, load_workbook

from engine.cases import harmless
from engine.errors import Invalid

ROWS = 500
COLUMNS = 200
CELL = 20_000
#: an .xlsx is a zip: how large it may become, and how much smaller it may have been
UNPACKED = 50 * 1024 * 1024


def read(name: str, data: bytes, columns: dict[str, str]) -> list[dict[str, str]]:
    """The rows of a file; `columns` maps what may stand in the head row to field names. Raises Invalid."""
    if name.lower().endswith(".xlsx"):
        table = _xlsx(data)
    elif name.lower().endswith(".csv"):
        table = _csv(data)
    else:
        raise Invalid("'%(name)s' is neither a .csv nor an .xlsx file.", name=name)
    return _rows(table, columns)


def template(fields: Iterable[tuple[str, str]], kind: str) -> bytes:
    """An empty table with a head row of titles, as .csv or .xlsx."""
    fields = list(fields)
    head = [harmless(title) for _, title in fields]
    if kind == "csv":
        out = io.StringIO()
        csv.writer(out).writerow(head)
        return out.getvalue().encode("utf-8-sig")
    book = Workbook()
    sheet = book.active
    sheet.append(head)
    sheet.freeze_panes = "A2"
    for number in range(1, len(head) + 1):
        sheet.column_dimensions[sheet.cell(1, number).column_letter].width = 24
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def _csv(data: bytes) -> list[list[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")
    try:
        return [row for row in csv.reader(io.StringIO(text), strict=True)]
    except csv.Error as error:
        raise Invalid("The file cannot be read as CSV.") from error


def _xlsx(data: bytes) -> list[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(one.file_size for one in packed.infolist()) > UNPACKED:
                raise Invalid("The spreadsheet is too large.")
        sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=False).worksheets[0]
        rows = sheet.iter_rows(max_row=ROWS + 2, max_col=COLUMNS, values_only=True)
        return [[_text(cell) for cell in row] for row in rows]
    except Invalid:
        raise
    except Exception as error:  # openpyxl raises whatever its XML and zip readers raise
        raise Invalid("The file cannot be read as a spreadsheet.") from error


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if (cell.hour, cell.minute) == (0, 0) else cell.isoformat(timespec="minutes")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _rows(table: list[list[str]], columns: dict[str, str]) -> list[dict[str, str]]:
    filled = [row for row in table if any(cell.strip() for cell in row)]
    if len(filled) < 2:
        raise Invalid("The file has no rows.")
    if len(filled) - 1 > ROWS:
        raise Invalid("A file may start at most %(limit)s cases.", limit=ROWS)
    names = [columns.get(cell.strip().lower(), "") for cell in filled[0]]
    unknown = [cell.strip() for cell, name in zip(filled[0], names, strict=True) if cell.strip() and not name]
    if unknown:
        raise Invalid("The form has no field '%(name)s'; take the template.", name=unknown[0])
    return [
        {name: cell.strip()[:CELL] for name, cell in zip(names, row, strict=False) if name and cell.strip()}
        for row in filled[1:]
    ]
