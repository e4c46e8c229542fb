export type Column = { readonly title: string; readonly align: "left" | "right" };

/** Rows under their titles, each column as wide as its widest cell, two spaces between. Ends in "\n". */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? "").length)));
  return lines.map((line) => `${formatLine(columns, widths, line)}\n`).join("");
}

/** One row, the cells padded to widths that are given: for rows that come one by one. */
export function formatRow(columns: readonly (Column & { readonly width: number })[], cells: readonly string[]): string {
  const widths = columns.map(({ width }) => width);
  return `${formatLine(columns, widths, cells.map(printable))}\n`;
}

function formatLine(columns: readonly Column[], widths: readonly number[], cells: readonly string[]): string {
  const padded = columns.map(({ align }, index) => {
    const cell = cells[index] ?? "";
    const width = widths[index] ?? 0;
    return align === "right" ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join("  ").trimEnd();
}

/** Names come from callers: none may move the cursor or colour the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "?");
}
