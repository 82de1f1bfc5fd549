// A report as the server gives it for screens (`format=json`).
export interface Cell {
  type: string;
  shown: string;
  reference?: { what: string; code: string; part: string; scope: string; period: { from: string; to: string } };
}
export interface Table {
  type: 'table';
  code: string;
  title: string;
  columns: { code: string; title: string }[];
  rows: { style: 'plain' | 'group' | 'total'; cells: Cell[] }[];
  notes: string[];
  remarks: string[];
}
export interface Paragraph {
  type: 'paragraph';
  text: string;
  missing: boolean;
}
export interface Report {
  head: { superior: string; body: string; title: string; subject: string; lines: string[] };
  sections: { code: string; title: string; items: (Table | Paragraph)[] }[];
  as_of: string;
  figures_hash: string;
  version: number | null;
  changed: { title: string; row: string; column_title: string; was: string; is: string }[];
}
