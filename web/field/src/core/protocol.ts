// What pages and the worker say to each other. A page asks, the worker answers; the worker alone owns the database.
import type { AppState, Messages, Problem, SyncSummary } from './api';

/** What a page may ask besides the messages of the core. */
export interface HostCalls {
  /** Is there a store on this device, is it locked, is it enrolled. */
  status: [Record<string, never>, HostStatus];
  /** Opens the store with the PIN; without one where none is set yet. */
  unlock: [{ pin: string | null }, HostStatus];
  /** Closes the store until the PIN is given. */
  lock: [Record<string, never>, HostStatus];
  /** Sets the PIN, or changes it: then the present one is asked for. */
  set_pin: [{ pin: string; old?: string }, HostStatus];
  /** Enrols this device with a one-time code. */
  enrol: [{ code: string; label: string }, AppState];
  /** Talks to the server until everything is exchanged. `pressed`: a person asked. */
  sync: [{ pressed: boolean }, SyncEnd];
  /** Begins to practise on a made-up village, from the beginning. */
  practice_begin: [{ name: string }, HostStatus];
  /** Ends it: nothing of it stays. */
  practice_end: [Record<string, never>, HostStatus];
  /** Deletes everything of this person from the device. */
  wipe: [Record<string, never>, HostStatus];
}

/** How the device stands. */
export interface HostStatus {
  phase: 'empty' | 'locked' | 'open';
  /** A PIN is set. */
  pin: boolean;
  /** After wrong PINs: not before this moment, in ms since 1970. */
  wait_until_ms: number;
  /** A damaged store was set aside when this one was opened. */
  rescued: { ops: number; drafts: number } | null;
  /** The browser had thrown the key of an earlier store away: what was not sent from it is gone. */
  lost: boolean;
}

/** How a sync ended. */
export type SyncEnd = { finished: SyncSummary } | { wait_ms: number };

/** Every call with its arguments and its answer. */
export type Calls = Messages & HostCalls;
export type CallName = keyof Calls;
export type Args<N extends CallName> = Calls[N][0];
export type Answer<N extends CallName> = Calls[N][1];

/** A question. `at_ms` is drawn once: a repeated question is the same question. */
export interface Ask {
  t: 'ask';
  id: string;
  name: CallName;
  args: unknown;
  at_ms: number;
  /** About the made-up village, not the real one. */
  practice?: boolean;
}

/** Its answer. */
export interface Reply {
  t: 'reply';
  id: string;
  ok?: unknown;
  problem?: Problem;
}

/** What the worker says unasked: rows have changed, a sync goes on. */
export interface News {
  t: 'news';
  what: 'changed' | 'sync_begun' | 'sync_ended' | 'status';
}

/** How far something is that a person waits for before the app opens. */
export interface Progress {
  /** The app itself comes over the network, in bytes; the store is brought to this version, in steps. */
  what: 'core' | 'store';
  done: number;
  total: number;
  /** The part of the present step that is done, from 0 to 1. */
  part: number;
}

/**
 * Calls that change what other screens show. What a form keeps while one types is not among them: it would wake everything
 * with every tap.
 */
export const WRITES: ReadonlySet<CallName> = new Set<CallName>([
  'enrolled',
  'household_create',
  'household_set',
  'household_move',
  'draft_begin',
  'draft_correct',
  'draft_discard',
  'draft_finish',
  'visit_submit',
  'visit_void',
  'visit_return',
  'visit_approve',
  'plan_create',
  'plan_cancel',
  'business_create',
  'product_create',
  'person_create',
  'conflict_settle',
  'dismiss',
  'enrol',
]);

/** Makes a problem out of whatever was thrown. */
export function asProblem(thrown: unknown): Problem {
  if (typeof thrown === 'string') {
    try {
      const read = JSON.parse(thrown) as Partial<Problem>;
      if (read.code && read.vi && read.en) {
        if ('detail' in read && read.detail) console.warn(read.code, read.detail);
        return { code: read.code, vi: read.vi, en: read.en, field: read.field ?? null, findings: read.findings ?? [] };
      }
    } catch {
      // Not one of ours.
    }
  }
  if (thrown && typeof thrown === 'object' && 'code' in thrown && 'vi' in thrown) return thrown as Problem;
  return {
    code: 'core_failed',
    vi: 'Phần lõi của ứng dụng gặp lỗi. Dữ liệu đã lưu vẫn còn; hãy tải lại trang.',
    en: 'The core of the app failed. Everything saved is still there; reload the page.',
    field: null,
    findings: [],
  };
}
