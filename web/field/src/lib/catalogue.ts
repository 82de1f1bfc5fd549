// The catalogue of activities as the core gives it: what a form asks. Words and options only; what is right is for the
// core to say.
import { call } from './app.svelte';

export interface Choice {
  code: string;
  vi: string;
  en: string;
  retired_on?: string;
}

export type Condition = Record<string, (string | number | boolean)[]>;

export interface Field {
  code: string;
  type: 'bool' | 'int' | 'money_vnd' | 'text' | 'code' | 'url' | 'enum' | 'multi_enum' | 'decimal' | 'date' | 'datetime' | 'period_month' | 'ref' | 'photo' | 'geo';
  vi: string;
  en: string;
  required: boolean;
  required_if?: Condition;
  options?: Choice[];
  list?: string;
  ref?: string;
  min?: number;
  max?: number;
  max_length?: number;
  help_vi?: string;
  help_en?: string;
  sensitivity?: string;
}

export interface Rule {
  code: string;
  severity: 'error' | 'warn' | 'info';
  vi: string;
  en: string;
}

export interface Kind {
  code: string;
  pillar: string;
  group: string;
  subject: string;
  count_unit: string;
  vi: string;
  en: string;
  fields: Field[];
  rules?: Rule[];
  evidence: { mode: string };
  valid_from?: string;
  retired_on?: string;
}

export interface Named {
  code: string;
  vi: string;
  en: string;
}

export interface Catalogue {
  catalogue_version: string;
  pillars: Named[];
  groups: Named[];
  lists: Record<string, Choice[]>;
  kinds: Kind[];
}

let read: Promise<Catalogue> | null = null;

/** The catalogue, read once. A failed reading is tried again. */
export function catalogue(): Promise<Catalogue> {
  read ??= (call('catalogue', {}) as unknown as Promise<Catalogue>).catch((error: unknown) => {
    read = null;
    throw error;
  });
  return read;
}
