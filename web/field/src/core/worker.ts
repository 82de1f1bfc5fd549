// The worker that owns the database. One at a time: the page that holds the lock starts it.
import type { AppState, Problem, SyncSummary } from './api';
import * as keys from './keys';
import { WRITES, asProblem } from './protocol';
import type { Ask, HostCalls, HostStatus, News, Progress, Reply, SyncEnd } from './protocol';
import init, { Core, pin_key } from './wasm/core.js';
import wasm from './wasm/core_bg.wasm?url';

/** How many bytes the core has when it is unpacked; told when the pages are made. */
declare const __CORE_BYTES__: number;

/** What takes less long is not worth a word. */
const WORTH_A_WORD_MS = 1_000;
/** Between two words about the same thing. */
const WORD_EVERY_MS = 500;
/** The folder of the origin's private file system. */
const FOLDER = '/thonso';
/** How long a thin link may be silent. */
const SILENCE_MS = 60_000;
/** A tab that is going away may hold the files a moment longer than its lock. */
const HOLD_TRIES = 40;

let core: Core | null = null;
let key: Uint8Array<ArrayBuffer> | null = null;
let isOpen = false;
/** Counts openings: a conversation that began before a lock does not go on after it. */
let openings = 0;
let rescued: HostStatus['rescued'] = null;
let lost = false;
let syncing: Promise<SyncEnd> | null = null;
let released = false;

const waiting: Ask[] = [];
let ready = false;

// Before the first await: what is asked meanwhile must not be lost.
self.onmessage = (event: MessageEvent<Ask | { t: 'release' } | { t: 'beat' }>) => {
  if (event.data.t === 'release') void release();
  else if (event.data.t === 'beat') self.postMessage({ t: 'beat' });
  else if (ready) void answer(event.data);
  else waiting.push(event.data);
};

const tell = (what: News['what']) => self.postMessage({ t: 'news', what } satisfies News);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const tellProgress = (progress: Progress | null) => self.postMessage({ t: 'progress', progress });

/** Loads the core, and says how far it is while it comes over a thin link. It is compiled while it arrives. */
async function load(): Promise<void> {
  // What the phone keeps already comes at once, and browsers keep what they compiled of such an answer.
  const isKept = await self.caches?.match(wasm, { ignoreSearch: true }).catch(() => undefined);
  const response = await fetch(wasm);
  if (!response.ok) throw new Error(`the core: ${response.status}`);
  if (isKept || !response.body) {
    await init({ module_or_path: response });
    return;
  }
  let done = 0;
  let isTold = false;
  const begun = performance.now();
  // By the clock, not by what arrives: a link that stands still is shown too.
  const timer = setInterval(() => {
    if (performance.now() - begun < WORTH_A_WORD_MS) return;
    isTold = true;
    tellProgress({ what: 'core', done: Math.min(done, __CORE_BYTES__), total: __CORE_BYTES__, part: 0 });
  }, WORD_EVERY_MS);
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (part, next) => {
      done += part.length;
      next.enqueue(part);
    },
  });
  const headers = { 'content-type': 'application/wasm' };
  try {
    await init({ module_or_path: new Response(response.body.pipeThrough(counted), { headers }) });
  } finally {
    clearInterval(timer);
    if (isTold) tellProgress(null);
  }
}

async function begin(): Promise<void> {
  await load();
  for (let attempt = 1; ; attempt += 1) {
    try {
      core = await Core.hold(FOLDER);
      break;
    } catch (error) {
      // A browser that gives no files to anybody will not give them later.
      if (attempt >= HOLD_TRIES || String(error).includes('SecurityError')) throw error;
      await pause(Math.min(50 * attempt, 500));
    }
  }
  const kept = await keys.custody();
  // Without a PIN there is nothing to ask for; before an enrolment there is nothing to protect.
  if (kept && !kept.pin) await open(null);
}

async function open(pin: string | null): Promise<void> {
  if (isOpen || !core) return;
  const fresh = !(await keys.custody());
  key = await keys.storeKey(pin, pin_key, Date.now());
  let isMoved = false;
  let opened: { rescued: HostStatus['rescued']; lost: boolean };
  try {
    const moved = (done: number, total: number, rows_done: number, rows: number) => {
      isMoved = true;
      tellProgress({ what: 'store', done, total, part: rows > 0 ? rows_done / rows : 0 });
    };
    opened = JSON.parse(core.open(key, fresh, moved)) as typeof opened;
  } finally {
    if (isMoved) tellProgress(null);
  }
  rescued = opened.rescued;
  lost = opened.lost;
  isOpen = true;
  openings += 1;
}

async function release(): Promise<void> {
  released = true;
  await syncing?.catch(() => undefined);
  try {
    core?.release();
  } finally {
    self.postMessage({ t: 'released' });
    self.close();
  }
}

async function status(): Promise<HostStatus> {
  const kept = await keys.custody();
  const phase = isOpen ? 'open' : kept ? 'locked' : 'empty';
  return { phase, pin: kept?.pin ?? false, wait_until_ms: kept?.wait_until_ms ?? 0, rescued, lost };
}

function ask<T>(name: string, args: unknown, at_ms: number, practice = false): T {
  if (!core || !isOpen) throw problem('locked', 'Ứng dụng đang khóa. Hãy nhập mã PIN.', 'The app is locked. Enter the PIN.');
  const given = JSON.stringify(args ?? {});
  const said = JSON.parse(practice ? core.practice_call(name, given, at_ms) : core.call(name, given, at_ms)) as { ok?: T; problem?: Problem };
  if (said.problem) throw said.problem;
  return said.ok as T;
}

function problem(code: string, vi: string, en: string): Problem {
  return { code, vi, en, field: null, findings: [] };
}

const noNetwork = () =>
  problem(
    'no_network',
    'Không liên lạc được với máy chủ. Dữ liệu vẫn được giữ trên máy.',
    'The server could not be reached. Everything stays on the phone.',
  );

/** Posts JSON to our own server. */
async function post(path: string, body: unknown): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(SILENCE_MS),
    });
  } catch {
    throw noNetwork();
  }
  const said = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return said;
  const text = (name: string, or: string) => (typeof said[name] === 'string' ? (said[name] as string) : or);
  throw problem(
    text('code', 'server_error'),
    text('detail_vi', 'Máy chủ báo lỗi. Hãy thử lại sau.'),
    text('detail_en', 'The server reported an error. Try again later.'),
  );
}

const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
const base64ToHex = (text: string) =>
  Array.from(atob(text), (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('');

async function enrol(args: HostCalls['enrol'][0], at_ms: number): Promise<AppState> {
  await open(null);
  const device = ask<string>('device_key', {}, at_ms);
  const said = await post('/api/v1/auth/enrol', {
    code: args.code,
    device_public_key: toBase64(fromHex(device)),
    device_label: args.label,
  });
  return ask<AppState>(
    'enrolled',
    {
      user_id: said.user_id,
      display_name: said.display_name,
      device_id: said.device_id,
      session_id: said.session_id,
      sync_key: base64ToHex(String(said.sync_key)),
      refresh_token: said.refresh_token,
      access_token: said.access_token,
      server: self.location.origin,
    },
    at_ms,
  );
}

interface Step {
  send?: Uint8Array<ArrayBuffer>;
  wait_ms?: number;
  finished?: string;
  problem?: string;
}

/** One conversation with the server. What arrived before a break is kept. */
async function converse(pressed: boolean): Promise<SyncEnd> {
  if (!core || !isOpen) throw problem('locked', 'Ứng dụng đang khóa.', 'The app is locked.');
  const opening = openings;
  let step = core.sync_start(pressed, Date.now()) as Step;
  for (;;) {
    if (step.problem) throw JSON.parse(step.problem) as Problem;
    if (step.finished) return { finished: JSON.parse(step.finished) as SyncSummary };
    if (step.wait_ms !== undefined) return { wait_ms: step.wait_ms };
    if (!step.send) throw asProblem(null);
    const said = await exchange(step.send);
    if (released || !isOpen || opening !== openings) throw noNetwork();
    step =
      said.status === 200
        ? (core.sync_received(said.body, Date.now()) as Step)
        : (core.sync_failed(said.status, said.retry_after_s, Date.now()) as Step);
    tell('changed');
  }
}

interface Said {
  status: number;
  retry_after_s: number;
  body: Uint8Array<ArrayBuffer>;
}

async function exchange(body: Uint8Array<ArrayBuffer>): Promise<Said> {
  const nothing = new Uint8Array(0);
  let silent: ReturnType<typeof setTimeout> | undefined;
  const stop = new AbortController();
  const rearm = () => {
    clearTimeout(silent);
    silent = setTimeout(() => stop.abort(), SILENCE_MS);
  };
  const parts: Uint8Array[] = [];
  try {
    rearm();
    const response = await fetch('/sync', { method: 'POST', body, signal: stop.signal });
    const retry_after_s = Number(response.headers.get('retry-after') ?? '0') || 0;
    if (response.status !== 200) return { status: response.status, retry_after_s, body: nothing };
    const reader = response.body?.getReader();
    for (;;) {
      rearm();
      const next = await reader?.read();
      if (!next || next.done) break;
      parts.push(next.value);
    }
  } catch {
    // What arrived before the break is worth keeping: every whole frame of it can be committed.
    if (parts.length === 0) return { status: 0, retry_after_s: 0, body: nothing };
  } finally {
    clearTimeout(silent);
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return { status: 200, retry_after_s: 0, body: whole };
}

async function sync(pressed: boolean): Promise<SyncEnd> {
  if (!syncing) {
    tell('sync_begun');
    syncing = converse(pressed).finally(() => {
      syncing = null;
      tell('sync_ended');
      tell('changed');
    });
  }
  return syncing;
}

/** Does what needs the PIN; a wrong one is said in words. */
async function checked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof keys.WrongPin)) throw error;
    throw problem('wrong_pin', 'Mã PIN không đúng.', 'The PIN is wrong.');
  }
}

const host: { [N in keyof HostCalls]: (args: HostCalls[N][0], at_ms: number) => Promise<HostCalls[N][1]> } = {
  status: () => status(),
  unlock: async ({ pin }) => {
    await checked(() => open(pin));
    return status();
  },
  lock: async () => {
    // At once, whatever a sync is waiting for: what has not been sent is sent after the next opening.
    const kept = await keys.custody();
    if (kept?.pin && core) {
      core.close();
      key = null;
      isOpen = false;
      tell('status');
    }
    return status();
  },
  set_pin: async ({ pin, old }) => {
    if (!key) throw problem('locked', 'Ứng dụng đang khóa.', 'The app is locked.');
    // Whoever finds the app open must not make it their own.
    if ((await keys.custody())?.pin) await checked(() => keys.storeKey(old ?? null, pin_key, Date.now()));
    await keys.setPin(key, pin, pin_key);
    return status();
  },
  enrol,
  sync: ({ pressed }) => sync(pressed),
  practice_begin: async ({ name }) => {
    if (!core || !isOpen) throw problem('locked', 'Ứng dụng đang khóa.', 'The app is locked.');
    core.practice_begin(name);
    return status();
  },
  practice_end: async () => {
    core?.practice_end();
    return status();
  },
  wipe: async () => {
    await syncing?.catch(() => undefined);
    core?.wipe();
    await keys.forget();
    key = null;
    isOpen = false;
    rescued = null;
    lost = false;
    tell('status');
    return status();
  },
};

async function answer(asked: Ask): Promise<void> {
  const reply: Reply = { t: 'reply', id: asked.id };
  try {
    if (asked.name in host) {
      const call = host[asked.name as keyof HostCalls] as (args: unknown, at_ms: number) => Promise<unknown>;
      reply.ok = await call(asked.args, asked.at_ms);
    } else {
      reply.ok = ask(asked.name, asked.args, asked.at_ms, asked.practice);
    }
    if (WRITES.has(asked.name)) tell('changed');
  } catch (error) {
    reply.problem = asProblem(error);
    // A core that broke off in the middle is in no state to go on: whoever asked is told, then the worker ends and the page
    // starts another one, which opens the files as after a power cut.
    if (error instanceof WebAssembly.RuntimeError) setTimeout(() => { throw error; });
  }
  self.postMessage(reply);
}

begin().then(
  () => {
    ready = true;
    self.postMessage({ t: 'ready' });
    for (const asked of waiting.splice(0)) void answer(asked);
  },
  (error: unknown) => self.postMessage({ t: 'failed', problem: asProblem(error) }),
);
