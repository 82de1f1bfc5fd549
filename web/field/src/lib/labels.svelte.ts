// Words of the catalogue: kinds, fields, choices. Read once; until then a code stands in for its words.
import { catalogue } from './catalogue';
import type { Catalogue, Choice, Field, Kind } from './catalogue';
import { pick } from './i18n.svelte';

const read = $state<{ catalogue: Catalogue | null }>({ catalogue: null });

/** Reads the catalogue, once the core is open. */
export async function loadLabels(): Promise<void> {
  read.catalogue ??= await catalogue();
}

const words = (found: { vi: string; en: string } | undefined, code: string): string => (found ? pick(found) : code);

export const labels = {
  /** Everything, once it was read. */
  all: (): Catalogue | null => read.catalogue,
  kindOf: (code: string): Kind | undefined => read.catalogue?.kinds.find((kind) => kind.code === code),
  kind: (code: string): string => words(labels.kindOf(code), code),
  fieldOf: (kind: string, field: string): Field | undefined =>
    labels.kindOf(kind)?.fields.find((known) => known.code === field),
  field: (kind: string, field: string): string => words(labels.fieldOf(kind, field), field),
  /** Words of anything that the catalogue names. */
  said: (named: { vi: string; en: string }): string => pick(named),
  /** A choice of one of the catalogue's lists. */
  choice: (list: string, code: string): string =>
    words(read.catalogue?.lists[list]?.find((choice) => choice.code === code), code),
  /** What a field offers: its own options, or those of the list that it names. */
  options: (field: Field): Choice[] =>
    (field.options ?? (field.list ? read.catalogue?.lists[field.list] : undefined) ?? []).filter(
      (choice) => !choice.retired_on,
    ),
};
