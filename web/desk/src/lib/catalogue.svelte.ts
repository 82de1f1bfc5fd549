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

/** A step of a workflow: by which roles, and what must be said with it. */
export interface Transition {
  from: string;
  to: string;
  by: string[];
  needs?: string;
}

const state = $state<{ kinds: Kind[]; pillars: Option[]; lists: Record<string, Option[]>; caseSteps: Transition[] }>({ kinds: [], pillars: [], lists: {}, caseSteps: [] });
let asked: Promise<void> | null = null;

/** Asks for the catalogue unless it is there. Labels are codes until then. */
export function needCatalogue(): Promise<void> {
  asked ??= (get('/api/v1/catalogue') as Promise<unknown>).then(
    (said) => {
      const read = said as { kinds: Kind[]; pillars: Option[]; lists: Record<string, Option[]>; workflows: { case: { transitions: Transition[] } } };
      state.kinds = read.kinds;
      state.pillars = read.pillars;
      state.lists = read.lists;
      state.caseSteps = read.workflows.case.transitions;
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

/** The steps that a case may take from where it stands. */
export const caseSteps = (from: string): Transition[] => state.caseSteps.filter((step) => step.from === from);
