// Who sits at the desk. The session itself is a cookie that no script can read.
import type { components } from './contract';

type Me = components['schemas']['MeView'];

const state = $state<{ me: Me | null; phase: 'asking' | 'out' | 'in' | 'expired' }>({ me: null, phase: 'asking' });
const waiting: (() => void)[] = [];

/** Who is here. */
export const me = (): Me | null => state.me;

/** `asking`: not known yet. `expired`: the session ended while a page was open; the page stays. */
export const phase = (): 'asking' | 'out' | 'in' | 'expired' => state.phase;

/** Whether the caller may do something in some place, or in this one. Only for what is shown: the server decides. */
export const may = (right: string, unit?: string): boolean =>
  (state.me?.places ?? []).some((place) => (unit === undefined || place.unit.id === unit) && place.rights.includes(right));

/** Whether the caller holds a role somewhere. */
export const is = (role: string): boolean => (state.me?.grants ?? []).some((grant) => grant.role === role);

/** The session has ended. */
export function expired(): void {
  if (state.phase === 'in') state.phase = 'expired';
}

/** Resolves once somebody has signed in again. */
export const signedInAgain = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));

/** Sets who is here. What waited goes on. */
export function entered(who: Me): void {
  state.me = who;
  state.phase = 'in';
  for (const resolve of waiting.splice(0)) resolve();
}

/** Nobody is here. */
export function left(): void {
  state.me = null;
  state.phase = 'out';
}
