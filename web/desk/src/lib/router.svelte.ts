// Where one is: an address below /desk/, so that every page, filter and list can be kept, sent on and gone back to.

const BASE = '/desk/';

const read = () => ({
  parts: location.pathname.slice(BASE.length).split('/').filter(Boolean).map(decodeURIComponent),
  query: Object.fromEntries(new URLSearchParams(location.search)),
});

const place = $state<{ parts: string[]; query: Record<string, string> }>(read());
/** Asked before one leaves a page; `false` keeps one there. */
let guard: (() => boolean) | null = null;

function arrive(): void {
  const { parts, query } = read();
  place.parts = parts;
  place.query = query;
}

/** The parts of the address: `['review', '0192…']`. */
export const parts = (): string[] => place.parts;

/** The filters in the address. */
export const query = (): Record<string, string> => place.query;

type Filters = Record<string, string | number | boolean | null | undefined>;

/** The address of a page. Filters that are empty are left out. */
export function to(path: string, filters: Filters = {}): string {
  const kept = Object.entries(filters).filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false);
  const search = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return BASE + path + (search ? `?${search}` : '');
}

/** Goes to a page. */
export function go(path: string, filters: Filters = {}): void {
  visit(to(path, filters));
}

/** Changes filters of the present page, without a step in the history. */
export function filter(filters: Filters): void {
  const next = to(place.parts.map(encodeURIComponent).join('/'), { ...place.query, ...filters });
  history.replaceState(history.state, '', next);
  arrive();
}

/** While a page holds what is not saved: asks before it is left. Gives back how to stop asking. */
export function holdOn(ask: () => boolean): () => void {
  guard = ask;
  return () => {
    if (guard === ask) guard = null;
  };
}

function visit(address: string): void {
  if (guard && !guard()) return;
  guard = null;
  history.pushState(null, '', address);
  arrive();
  scrollTo(0, 0);
  // Whoever listens to the page hears the new one from its beginning.
  document.getElementById('content')?.focus({ preventScroll: true });
}

addEventListener('popstate', arrive);
addEventListener('beforeunload', (event) => {
  if (guard) event.preventDefault();
});

/** Links within the desk open without a new loading; with a key held they open as the browser does. */
addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (!link.pathname.startsWith(BASE)) return;
  event.preventDefault();
  visit(link.pathname + link.search);
});
