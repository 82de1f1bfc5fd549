// The way to the server. Every call is typed by the contract; every refusal becomes a problem with words in both languages.
import createClient, { type FetchResponse, type MaybeOptionalInit } from 'openapi-fetch';
import type { components, paths } from './contract';
import { expired, signedInAgain } from './session.svelte';

/** The types of the contract by name: `View<'VisitLine'>`. */
export type View<N extends keyof components['schemas']> = components['schemas'][N];

/** Why something was not done, in words a person can act on. */
export interface Problem {
  /** Stable; `no_network` where the server was not reached. */
  code: string;
  vi: string;
  en: string;
  /** What is wrong with which field. */
  errors: { field: string; code: string; vi: string; en: string }[];
  /** Which rules stand against it: codes with words under `rule.`. */
  rules?: string[];
  /** Which field it is about. */
  field?: string | null;
  /** Names the request in the server's log. */
  request_id: string | null;
}

const NO_NETWORK: Problem = {
  code: 'no_network',
  vi: 'Không liên lạc được với máy chủ. Những gì đã nhập vẫn còn trên trang; hãy thử lại.',
  en: 'The server could not be reached. What you entered is still on the page; try again.',
  errors: [],
  request_id: null,
};

interface Body {
  code?: string;
  detail_vi?: string;
  detail_en?: string;
  request_id?: string;
  rule?: string | null;
  field?: string | null;
  errors?: { field: string; code: string; detail_vi: string; detail_en: string }[];
}

/** The problem in an answer's body. */
export function problemOf(body: unknown, response: Response): Problem {
  const said = (body && typeof body === 'object' ? body : {}) as Body;
  return {
    code: said.code ?? `http_${response.status}`,
    vi: said.detail_vi ?? 'Máy chủ báo lỗi. Hãy thử lại sau.',
    en: said.detail_en ?? 'The server reported an error. Try again later.',
    errors: (said.errors ?? []).map(({ field, code, detail_vi, detail_en }) => ({ field, code, vi: detail_vi, en: detail_en })),
    field: said.field ?? null,
    rules: (said.rule ?? '').split(',').filter(Boolean),
    request_id: said.request_id ?? response.headers.get('x-request-id'),
  };
}

/** When a person last did something here, in ms since 1970. */
let touched = Date.now();
/** So long after that, what the page asks it asks by itself: that does not keep the session open. */
const ATTENDED_MS = 5 * 60_000;
for (const event of ['pointerdown', 'keydown']) {
  addEventListener(event, () => (touched = Date.now()), { capture: true, passive: true });
}

/**
 * Fetches; whoever's session has ended signs in over the page, and then the same question is asked again: nothing that was typed
 * is lost. A line that does not carry is a problem as well.
 */
async function patient(input: Request): Promise<Response> {
  for (;;) {
    let response: Response;
    try {
      // Sent as a copy: it may have to be sent again.
      const copy = new Request(input.clone());
      if (Date.now() - touched > ATTENDED_MS) copy.headers.set('x-unattended', '1');
      response = await fetch(copy);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      throw NO_NETWORK;
    }
    if (response.status !== 401) return response;
    expired();
    await signedInAgain();
  }
}

const client = createClient<paths>({ baseUrl: location.origin, fetch: patient });

/** Unwraps an answer: what was asked for, or a problem is thrown. */
async function unwrap<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) throw problemOf(error, response);
  return data as T;
}

type Methods = Record<string, never>;
type Path<M extends 'get' | 'post' | 'patch'> = {
  [P in keyof paths]: paths[P] extends { [K in M]: Methods | object } ? P : never;
}[keyof paths];
type Answer<P extends keyof paths, M extends 'get' | 'post' | 'patch'> = paths[P] extends { [K in M]: infer O }
  ? O extends Record<string | number, unknown>
    ? NonNullable<FetchResponse<O, unknown, 'application/json'>['data']>
    : never
  : never;
type Init<P extends keyof paths, M extends 'get' | 'post' | 'patch'> = M extends keyof paths[P] ? MaybeOptionalInit<paths[P], M> : never;

/** Reads. */
export function get<P extends Path<'get'>>(path: P, init?: NoInfer<Init<P, 'get'>>): Promise<Answer<P, 'get'>> {
  return unwrap(client.GET(path as never, (init ?? {}) as never)) as Promise<Answer<P, 'get'>>;
}

/** Draws the key under which a change is made once, however often it is sent. One per press. */
export const newKey = (): string => crypto.randomUUID();

/** Changes something; `key` from {@link newKey}, drawn when the person pressed. */
export function post<P extends Path<'post'>>(path: P, init?: NoInfer<Init<P, 'post'>>, key: string = newKey()): Promise<Answer<P, 'post'>> {
  const given = (init ?? {}) as { headers?: Record<string, string> };
  return unwrap(client.POST(path as never, { ...given, headers: { ...given.headers, 'idempotency-key': key } } as never)) as Promise<
    Answer<P, 'post'>
  >;
}

/** Changes a part of something. */
export function patch<P extends Path<'patch'>>(path: P, init?: NoInfer<Init<P, 'patch'>>, key: string = newKey()): Promise<Answer<P, 'patch'>> {
  const given = (init ?? {}) as { headers?: Record<string, string> };
  return unwrap(client.PATCH(path as never, { ...given, headers: { ...given.headers, 'idempotency-key': key } } as never)) as Promise<
    Answer<P, 'patch'>
  >;
}

/** A file from the server, as the browser keeps it: the name comes from the server. */
export async function file(path: string): Promise<{ blob: Blob; name: string }> {
  const response = await patient(new Request(new URL(path, location.origin)));
  if (!response.ok) throw problemOf(await response.json().catch(() => null), response);
  const said = response.headers.get('content-disposition') ?? '';
  const name = /filename="?([^";]+)"?/.exec(said)?.[1] ?? 'thonso';
  return { blob: await response.blob(), name };
}

/** Sends a file as it is. */
export async function send<T>(path: string, body: Blob): Promise<T> {
  const headers = { 'content-type': body.type || 'application/octet-stream', 'idempotency-key': newKey() };
  const response = await patient(new Request(new URL(path, location.origin), { method: 'POST', body, headers }));
  const said: unknown = await response.json().catch(() => null);
  if (!response.ok) throw problemOf(said, response);
  return said as T;
}

/** Makes a problem out of whatever was thrown. */
export function asProblem(thrown: unknown): Problem {
  if (thrown && typeof thrown === 'object' && 'code' in thrown && 'vi' in thrown) return thrown as Problem;
  console.error(thrown);
  return {
    code: 'page_failed',
    vi: 'Trang gặp lỗi. Hãy tải lại trang.',
    en: 'The page failed. Reload it.',
    errors: [],
    request_id: null,
  };
}
