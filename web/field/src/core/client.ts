// A page's way to the core. One page holds a lock and runs the worker; the others ask through it. Whoever is told nothing
// in time says so, and a person may take over.
import type { Problem } from './api';
import { asProblem } from './protocol';
import type { Answer, Args, Ask, CallName, News, Progress, Reply } from './protocol';

const LOCK = 'thonso-core';
const CHANNEL = 'thonso-core';
/** A leader that does not answer for so long is asleep in the background. */
const LEADER_SILENCE_MS = 6_000;

/** A worker that says nothing for so long, although it was asked, has ended without a word. */
const WORKER_SILENCE_MS = 20_000;

/** While it brings the store to a new version it hears nothing; ended in the middle, it would begin that step again. */
const MOVING_SILENCE_MS = 15 * 60_000;

/** Whether this page reaches the core. */
export type Link = 'starting' | 'leader' | 'follower' | 'elsewhere' | 'failed';

interface Pending {
  ask: Ask;
  resolve: (value: unknown) => void;
  reject: (problem: Problem) => void;
  asked: number;
}

type Note = { t: 'hello' } | { t: 'leader' } | { t: 'ask'; ask: Ask; from: string } | { t: 'told'; reply: Reply; to: string } | News;

const me = crypto.randomUUID();
const channel = new BroadcastChannel(CHANNEL);
const pending = new Map<string, Pending>();
const listeners = new Set<(what: News['what']) => void>();
const progressListeners = new Set<(progress: Progress | null) => void>();
const linkListeners = new Set<(link: Link, problem: Problem | null) => void>();

let worker: Worker | null = null;
/** When the worker said something last. */
let heard = 0;
/** What the worker is busy with before it can answer. */
let busyWith: Progress | null = null;
let link: Link = 'starting';
let failure: Problem | null = null;
let giveUp: (() => void) | null = null;
/** Questions of other pages that the worker is working on: id to page. */
const relayed = new Map<string, string>();

function setLink(next: Link, problem: Problem | null = null): void {
  if (link === next && !problem) return;
  link = next;
  failure = problem;
  for (const listener of linkListeners) listener(link, failure);
}

function setProgress(next: Progress | null): void {
  busyWith = next;
  for (const listener of progressListeners) listener(next);
}

function news(what: News['what']): void {
  for (const listener of listeners) listener(what);
}

function settle(reply: Reply): void {
  const found = pending.get(reply.id);
  if (!found) return;
  pending.delete(reply.id);
  if (reply.problem) found.reject(reply.problem);
  else found.resolve(reply.ok);
}

function send(ask: Ask): void {
  if (link === 'leader' && worker) worker.postMessage(ask);
  else if (link !== 'failed') channel.postMessage({ t: 'ask', ask, from: me } satisfies Note);
}

channel.onmessage = (event: MessageEvent<Note>) => {
  const note = event.data;
  switch (note.t) {
    case 'hello':
      if (link === 'leader') channel.postMessage({ t: 'leader' } satisfies Note);
      break;
    case 'leader':
      if (link !== 'leader') {
        setLink('follower');
        // What was never answered is asked again; it is the same question, so nothing happens twice.
        for (const waiting of pending.values()) {
          waiting.asked = Date.now();
          send(waiting.ask);
        }
      }
      break;
    case 'ask':
      if (link === 'leader' && worker) {
        relayed.set(note.ask.id, note.from);
        worker.postMessage(note.ask);
      }
      break;
    case 'told':
      if (note.to === me) {
        if (link !== 'leader') setLink('follower');
        settle(note.reply);
      }
      break;
    case 'news':
      news(note.what);
  }
};

function start(): Promise<void> {
  return new Promise((resolve, reject) => {
    const started = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker = started;
    heard = Date.now();
    started.onmessage = (event: MessageEvent<Reply | News | { t: 'ready' } | { t: 'failed'; problem: Problem } | { t: 'released' } | { t: 'beat' } | { t: 'progress'; progress: Progress | null }>) => {
      const said = event.data;
      heard = Date.now();
      if (said.t === 'ready') resolve();
      else if (said.t === 'failed') reject(said.problem);
      else if (said.t === 'progress') setProgress(said.progress);
      else if (said.t === 'news') {
        channel.postMessage(said);
        news(said.what);
      } else if (said.t === 'reply') {
        const page = relayed.get(said.id);
        if (page) {
          relayed.delete(said.id);
          channel.postMessage({ t: 'told', reply: said, to: page } satisfies Note);
        } else settle(said);
      }
    };
    // A crash loses nothing that was saved: the next worker opens the same files, and what was asked is asked again.
    started.onerror = (event) => {
      event.preventDefault();
      reject(asProblem(event.message));
      if (worker === started) void restart();
    };
  });
}

let restarts = 0;
/** When the worker was last asked for a sign of life. */
let beaten = 0;

async function restart(): Promise<void> {
  worker?.terminate();
  worker = null;
  setProgress(null);
  restarts += 1;
  if (restarts > 3) {
    setLink('failed', asProblem(null));
    for (const waiting of pending.values()) waiting.reject(asProblem(null));
    pending.clear();
    return;
  }
  try {
    await start();
    news('status');
    news('changed');
    // What was not answered is asked again, here and in other windows; it is the same question, so nothing happens twice.
    channel.postMessage({ t: 'leader' } satisfies Note);
    for (const waiting of pending.values()) send(waiting.ask);
  } catch (error) {
    setLink('failed', asProblem(error));
  }
}

async function lead(): Promise<void> {
  try {
    await start();
    setLink('leader');
    channel.postMessage({ t: 'leader' } satisfies Note);
    for (const waiting of pending.values()) send(waiting.ask);
    await new Promise<void>((resolve) => {
      giveUp = resolve;
    });
  } catch (error) {
    setLink('failed', asProblem(error));
    for (const waiting of pending.values()) waiting.reject(asProblem(error));
    pending.clear();
    await new Promise(() => undefined);
  } finally {
    worker?.terminate();
    worker = null;
  }
}

/** Begins: becomes the page that holds the core, now or when the other one goes. */
export function begin(): void {
  const wanted = () =>
    navigator.locks.request(LOCK, lead).catch(() => {
      // Somebody took over: this page asks from now on.
      worker?.terminate();
      worker = null;
      setLink('elsewhere');
      void wanted();
    });
  void wanted();
  channel.postMessage({ t: 'hello' } satisfies Note);
  setInterval(() => {
    const late = [...pending.values()].some((waiting) => Date.now() - waiting.asked > LEADER_SILENCE_MS);
    if (late && link !== 'leader' && link !== 'failed') setLink('elsewhere');
    if (!late || link !== 'leader' || !worker) {
      beaten = 0;
    } else if (beaten === 0) {
      beaten = Date.now();
      worker.postMessage({ t: 'beat' });
    } else if (heard < beaten && Date.now() - beaten > (busyWith ? MOVING_SILENCE_MS : WORKER_SILENCE_MS)) {
      beaten = 0;
      void restart();
    }
  }, 1_000);
  // A page that the system freezes must not keep the files from the others.
  document.addEventListener('freeze', () => {
    if (link !== 'leader' || !worker) return;
    worker.postMessage({ t: 'release' });
    setLink('starting');
    giveUp?.();
    void wanted();
  });
}

/** Takes the core from another window that does not answer. */
export function takeOver(): void {
  setLink('starting');
  void navigator.locks.request(LOCK, { steal: true }, lead).catch(() => setLink('elsewhere'));
}

let practising = false;

/** From here on this page asks about the made-up village, or about the real one again. */
export function setPractising(on: boolean): void {
  practising = on;
}

/** Asks the core. A repeated question is answered once: `call` ids are drawn by the caller. */
export function ask<N extends CallName>(name: N, args: Args<N>): Promise<Answer<N>> {
  const question: Ask = { t: 'ask', id: crypto.randomUUID(), name, args, at_ms: Date.now(), practice: practising };
  return new Promise<Answer<N>>((resolve, reject) => {
    if (link === 'failed') {
      reject(failure ?? asProblem(null));
      return;
    }
    pending.set(question.id, {
      ask: question,
      resolve: resolve as (value: unknown) => void,
      reject,
      asked: Date.now(),
    });
    if (link === 'leader' || link === 'follower' || link === 'elsewhere') send(question);
    else channel.postMessage({ t: 'ask', ask: question, from: me } satisfies Note);
  });
}

/** Draws the id of a change: once per press of a button, so that a repeated call changes nothing twice. */
export const newCall = (): string => crypto.randomUUID();

/** Hears what the core says unasked. Gives the function that ends it. */
export function onNews(listener: (what: News['what']) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Hears how far the core is with what a person waits for before the app opens; `null` when that has ended. */
export function onProgress(listener: (progress: Progress | null) => void): () => void {
  progressListeners.add(listener);
  listener(busyWith);
  return () => progressListeners.delete(listener);
}

/** Hears how this page reaches the core. */
export function onLink(listener: (link: Link, problem: Problem | null) => void): () => void {
  linkListeners.add(listener);
  listener(link, failure);
  return () => linkListeners.delete(listener);
}
