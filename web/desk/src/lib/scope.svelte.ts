// Whose numbers the desk shows: one of the units for which the caller holds an office.
import { me } from './session.svelte';

const REMEMBERED = 'thonso.desk.unit';
const OFFICES = ['commune_officer', 'province_officer', 'admin'];
/** The installation as a whole: an admin's office. */
const INSTALLATION = '00000000-0000-0000-0000-000000000000';

export interface Unit {
  id: string;
  name: string;
}

const chosen = $state<{ id: string | null }>({ id: localStorage.getItem(REMEMBERED) });

/** The units that may be chosen. */
export function units(): Unit[] {
  const found = new Map<string, Unit>();
  for (const grant of me()?.grants ?? []) {
    const over = grant.to && grant.to <= new Date().toISOString().slice(0, 10);
    if (OFFICES.includes(grant.role) && !over && grant.unit.id !== INSTALLATION) found.set(grant.unit.id, grant.unit);
  }
  return [...found.values()];
}

/** The unit in use. */
export const unit = (): Unit | null => units().find((one) => one.id === chosen.id) ?? units()[0] ?? null;

/** Its id; a page that needs one is only shown to who has one. */
export const unitId = (): string => unit()?.id ?? INSTALLATION;

/** Works for another unit from now on. */
export function chooseUnit(id: string): void {
  chosen.id = id;
  localStorage.setItem(REMEMBERED, id);
}

/** Whether the unit in use is a commune: who answers for it reviews. */
export const isCommune = (): boolean =>
  (me()?.grants ?? []).some((grant) => grant.role === 'commune_officer' && grant.unit.id === unit()?.id);

/** Whether it is a province: counts only, no households. */
export const isProvince = (): boolean =>
  (me()?.grants ?? []).some((grant) => grant.role === 'province_officer' && grant.unit.id === unit()?.id);

/** Whether the caller administers the installation. */
export const isAdmin = (): boolean => (me()?.grants ?? []).some((grant) => grant.role === 'admin');
