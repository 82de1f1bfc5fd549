// The catalogue of activities as it ships: asked for once, for labels.
import { get } from './api';
import { pick } from './i18n';

export interface Option {
  code: string;
  vi: string;
  en: string;
}
export interface Field extends Option {
  type: string;
  options?: Option[];
}
export interface Kind extends Option {
  pillar: string;
  group: string;
  fields: Field[];
}

const state = $state<{ kinds: Kind[]; pillars: Option[]; lists: Record<string, Option[]> }>({ kinds: [], pillars: [], lists: {} });
let asked: Promise<void> | null = null;

/** Asks for the catalogue unless it is there. Labels are codes until then. */
export function needCatalogue(): Promise<void> {
  asked ??= (get('/api/v1/catalogue') as Promise<unknown>).then(
    (said) => {
      const read = said as { kinds: Kind[]; pillars: Option[]; lists: Record<string, Option[]> };
      state.kinds = read.kinds;
      state.pillars = read.pillars;
      state.lists = read.lists;
    },
    (thrown: unknown) => {
      asked = null;
      throw thrown;
    },
  );
  return asked;
}

/** Every kind, in the order of the catalogue. */
export const kinds = (): Kind[] => state.kinds;

/** The pillars. */
export const pillars = (): Option[] => state.pillars;

/** What a kind is called. */
export function kindLabel(code: string): string {
  const kind = state.kinds.find((one) => one.code === code);
  return kind ? pick(kind) : code;
}

/** What a question of a kind is called. */
export function fieldLabel(kind: string, field: string): string {
  const found = state.kinds.find((one) => one.code === kind)?.fields.find((one) => one.code === field);
  return found ? pick(found) : field;
}

/** One of the lists that questions choose from. */
export const listOf = (name: string): Option[] => state.lists[name] ?? [];
