// What every screen knows: how the core is reached, who uses this phone, how the talk with the server stands.
import type { AppState, PlaceView, Problem } from '../core/api';
import { ask, begin, onLink, onNews, onProgress, setPractising } from '../core/client';
import type { Link } from '../core/client';
import { asProblem } from '../core/protocol';
import { loadLabels } from './labels.svelte';
import type { Answer, Args, CallName, HostStatus, Progress } from '../core/protocol';

/** Between automatic tries when the core asks for no longer wait. */
const TRY_EVERY_MS = 5 * 60_000;

export const app = $state<{
  link: Link;
  failure: Problem | null;
  /** What has to end before the app opens, when it takes a while. */
  progress: Progress | null;
  status: HostStatus | null;
  state: AppState | null;
  places: PlaceView[];
  syncing: boolean;
  online: boolean;
  persisted: boolean | null;
  updateWaiting: (() => void) | null;
  /** The store failed or is full: what is not sent yet exists here only. */
  trouble: Problem | null;
  /** Looks for a new version of the app; whether one was found. Nothing where the browser keeps no versions. */
  lookForUpdate: (() => Promise<boolean>) | null;
  /** Grows with every change of the rows: screens that read it are read anew. */
  version: number;
  /** What is shown is the made-up village. */
  practice: boolean;
  /** A visit was saved there just now. */
  practiced: boolean;
}>({
  link: 'starting',
  failure: null,
  progress: null,
  status: null,
  state: null,
  places: [],
  syncing: false,
  online: navigator.onLine,
  persisted: null,
  updateWaiting: null,
  trouble: null,
  lookForUpdate: null,
  version: 0,
  practice: false,
  practiced: false,
});

/** Codes of a store that is full or failing. */
const STORE_TROUBLE = new Set(['storage_full', 'local_store_damaged', 'local_store_failed']);

/** Asks the core; a problem is thrown as a `Problem`. */
export async function call<N extends CallName>(name: N, args: Args<N>): Promise<Answer<N>> {
  try {
    // What screens hold is watched; only plain values pass to the worker.
    return await ask(name, $state.snapshot(args) as Args<N>);
  } catch (error) {
    const problem = asProblem(error);
    if (STORE_TROUBLE.has(problem.code)) app.trouble = problem;
    throw problem;
  }
}

/** Reads again what every screen shows. */
export async function refresh(): Promise<void> {
  const before = app.status?.phase;
  app.status = await call('status', {});
  // A lock, another window that took over: the practice is gone, the real book is there.
  if (app.practice && app.status.phase !== 'open') leavePractice();
  if (app.status.phase === 'open') {
    app.state = await call('state', {}).catch((error: unknown) => {
      if (!app.practice) throw error;
      leavePractice();
      return call('state', {});
    });
    await loadLabels();
    app.places = app.state.identity ? await call('places', {}) : [];
  } else {
    app.state = null;
    app.places = [];
  }
  app.version += 1;
  // Somebody has just come in: what waited since then goes out, what is new comes in.
  if (before !== 'open' && app.status.phase === 'open') void sync(false);
}

function leavePractice(): void {
  app.practice = false;
  setPractising(false);
}

/** Opens the made-up village. The real book stays as it is, shut. */
export async function beginPractice(): Promise<void> {
  await call('practice_begin', { name: app.state?.identity?.display_name ?? '' });
  setPractising(true);
  app.practice = true;
  await refresh();
}

/** Back to the real book: nothing of the practice stays. */
export async function endPractice(): Promise<void> {
  leavePractice();
  await call('practice_end', {});
  await refresh();
  void sync(false);
}

let again: ReturnType<typeof setTimeout> | undefined;

/** Syncs, because a person asked or by itself. Never throws: how it ended stands in the state. */
export async function sync(pressed: boolean): Promise<Problem | null> {
  clearTimeout(again);
  if (!app.state?.identity || app.practice) return null;
  let wait = TRY_EVERY_MS;
  let problem: Problem | null = null;
  try {
    const end = await call('sync', { pressed });
    wait = 'wait_ms' in end ? end.wait_ms : Math.max(end.finished.next_after_ms, TRY_EVERY_MS);
  } catch (error) {
    problem = asProblem(error);
  }
  again = setTimeout(() => void sync(false), wait);
  return problem;
}

let due: ReturnType<typeof setTimeout> | undefined;

/** Something was saved: it is sent soon, together with what follows in the same breath. */
export function syncSoon(): void {
  clearTimeout(due);
  due = setTimeout(() => {
    if (navigator.onLine) void sync(false);
  }, 2_000);
}

/** After so long without a touch the app locks itself. */
const IDLE_MS = 5 * 60_000;

/** Locks when nobody has touched the screen for a while; also after the phone slept in somebody's pocket. */
function lockWhenIdle(): void {
  let touched = Date.now();
  for (const sign of ['pointerdown', 'keydown'] as const) addEventListener(sign, () => (touched = Date.now()), { passive: true });
  const look = () => {
    if (Date.now() - touched < IDLE_MS || app.status?.phase !== 'open' || !app.status.pin) return;
    touched = Date.now();
    void call('lock', {}).then(refresh);
  };
  setInterval(look, 15_000);
  document.addEventListener('visibilitychange', look);
}

/** Begins. Called once. */
export function start(): void {
  onLink((link, problem) => {
    app.link = link;
    app.failure = problem;
    if (link === 'leader' || link === 'follower') void refresh();
  });
  onProgress((progress) => (app.progress = progress));
  onNews((what) => {
    if (what === 'sync_begun') app.syncing = true;
    if (what === 'sync_ended') app.syncing = false;
    if (what === 'changed' || what === 'status') void refresh();
  });
  addEventListener('online', () => {
    app.online = true;
    void sync(false);
  });
  addEventListener('offline', () => {
    app.online = false;
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && navigator.onLine) void sync(false);
  });
  // What a screen asked before the app was locked is answered by the lock screen that takes its place.
  addEventListener('unhandledrejection', (event) => {
    if ((event.reason as Problem | undefined)?.code === 'locked') event.preventDefault();
  });
  lockWhenIdle();
  begin();
  void askToPersist();
}

/** Asks the browser to keep the data for good, and remembers what it said. */
export async function askToPersist(): Promise<void> {
  if (!navigator.storage?.persist) return;
  app.persisted = (await navigator.storage.persisted()) || (await navigator.storage.persist());
}
