// Names of what activities are about: businesses, products, markets, persons, needs. Read when a screen wants them.
import type { JsonValue, SubjectView } from '../core/api';
import { call } from './app.svelte';

/** What a picker can offer here. */
export const SUBJECTS = ['business', 'product', 'market', 'person', 'case'];

/** Where an activity took place, and with what the picker helps itself. */
export interface Place {
  village: string;
  household: string | null;
  /** What the household is called: a good name for its business. */
  label: string;
}

const names = $state<Record<string, string>>({});

/** The subjects of a sort; their names are known from then on. */
export async function subjects(of: string, place: { village: string; household: string | null }, business?: JsonValue): Promise<SubjectView[]> {
  const found = await call('subjects', {
    of,
    village: place.village,
    ...(place.household ? { household: place.household } : {}),
    ...(typeof business === 'string' ? { business } : {}),
  });
  for (const subject of found) names[subject.id] = subject.name;
  return found;
}

/** The name of a subject, where it was read before. */
export const subjectName = (id: string): string | undefined => names[id];
