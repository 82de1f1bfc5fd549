// Where one is. Addresses stand behind `#`, so that the way back works and nothing of it reaches a server.

const read = (): string[] => location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent).filter(Boolean);

const place = $state<{ parts: string[] }>({ parts: read() });

addEventListener('hashchange', () => {
  place.parts = read();
  scrollTo(0, 0);
});

/** The parts of the address: `['household', '0192…']`. */
export const route = (): string[] => place.parts;

/** The address of a screen. */
export const to = (...parts: string[]): string => `#/${parts.map(encodeURIComponent).join('/')}`;

/** Goes to a screen. */
export function go(...parts: string[]): void {
  location.hash = to(...parts);
}

/** Goes to a screen without leaving the present one in the history. */
export function replace(...parts: string[]): void {
  history.replaceState(null, '', to(...parts));
  place.parts = read();
  scrollTo(0, 0);
}

/** One step back; home when there is none. */
export function back(): void {
  if (history.length > 1) history.back();
  else replace();
}
