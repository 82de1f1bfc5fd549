// Files that a page hands to the person.
import { file } from './api';

/** Gives a file to the browser to keep. */
export function keep(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Fetches a file and gives it to the browser to keep. */
export async function download(path: string): Promise<void> {
  const { blob, name } = await file(path);
  keep(blob, name);
}

/** A cell of a CSV file. What a spreadsheet would take for a formula is marked as text. */
const cell = (text: string): string => `"${(/^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

/** A table as a CSV file that spreadsheets read as UTF-8. */
export function csv(rows: string[][]): Blob {
  const lines = rows.map((row) => row.map(cell).join(','));
  return new Blob(['\ufeff', lines.join('\r\n'), '\r\n'], { type: 'text/csv;charset=utf-8' });
}
