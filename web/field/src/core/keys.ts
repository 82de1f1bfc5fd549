// Who may open the store. The store's key is drawn on this device and never leaves it. It lies here wrapped twice: by a
// key of the browser that scripts cannot read out, and by the PIN (argon2id). docs/SECURITY.md says what that is worth.

const DATABASE = 'thonso-keys';
const KEY_BYTES = 48;
const IV_BYTES = 12;

/** What is kept beside the store. */
interface Custody {
  /** AES-GCM, not extractable. */
  browser: CryptoKey;
  /** The wrapped key: iv and ciphertext. */
  wrapped: Uint8Array<ArrayBuffer>;
  /** For the PIN. */
  salt: Uint8Array<ArrayBuffer>;
  /** Whether the PIN is part of the wrapping. */
  pin: boolean;
  /** Wrong PINs in a row. */
  failures: number;
  /** Not before this moment. */
  wait_until_ms: number;
}

/** Thrown for a wrong PIN, with how long to wait. */
export class WrongPin extends Error {
  constructor(readonly wait_until_ms: number) {
    super('wrong PIN');
  }
}

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open(DATABASE, 1);
    open.onupgradeneeded = () => open.result.createObjectStore('custody');
    open.onsuccess = () => resolve(open.result);
    open.onerror = () => reject(open.error);
  });
}

async function run<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database();
  try {
    return await new Promise<T>((resolve, reject) => {
      const tx = db.transaction('custody', mode, { durability: 'strict' });
      const request = work(tx.objectStore('custody'));
      tx.oncomplete = () => resolve(request.result);
      tx.onerror = () => reject(tx.error);
      tx.onabort = () => reject(tx.error);
    });
  } finally {
    db.close();
  }
}

/** What is kept, if anything. */
export async function custody(): Promise<Custody | undefined> {
  return (await run('readonly', (store) => store.get('device'))) as Custody | undefined;
}

const keep = (custody: Custody) => run('readwrite', (store) => store.put(custody, 'device'));

/** Forgets the key: what it opens can never be read again. */
export const forget = () => run('readwrite', (store) => store.delete('device'));

async function seal(key: CryptoKey, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes));
  const out = new Uint8Array(IV_BYTES + sealed.length);
  out.set(iv);
  out.set(sealed, IV_BYTES);
  return out;
}

async function unseal(key: CryptoKey, sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const iv = sealed.slice(0, IV_BYTES);
  return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed.slice(IV_BYTES)));
}

const toText = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
const fromText = (text: string) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** Seals a text for this browser: files of its profile do not show it. Nothing without a store. */
export async function sealText(text: string): Promise<string | null> {
  const kept = await custody();
  return kept ? toText(await seal(kept.browser, new TextEncoder().encode(text))) : null;
}

/** What was sealed; nothing when it was for another store. */
export async function unsealText(sealed: string): Promise<string | null> {
  const kept = await custody();
  if (!kept) return null;
  return unseal(kept.browser, fromText(sealed)).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => null,
  );
}

const pinKey = (bytes: Uint8Array<ArrayBuffer>) =>
  crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);

type Derive = (pin: string, salt: Uint8Array) => Uint8Array;

/** The store's key. Draws one where there is none yet. */
export async function storeKey(pin: string | null, derive: Derive, now: number): Promise<Uint8Array<ArrayBuffer>> {
  const kept = await custody();
  if (!kept) {
    const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
    const browser = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    const salt = crypto.getRandomValues(new Uint8Array(16));
    await keep({ browser, wrapped: await seal(browser, key), salt, pin: false, failures: 0, wait_until_ms: 0 });
    return key;
  }
  if (!kept.pin) return unseal(kept.browser, kept.wrapped);
  // A clock that was set back must not lock anybody out for longer than the wait itself.
  const wait = kept.wait_until_ms - now;
  if (pin === null || (wait > 0 && wait <= waitAfter(kept.failures))) throw new WrongPin(kept.wait_until_ms);
  // Counted before it is tried: pulling the battery must not give another try.
  const failures = kept.failures + 1;
  const wait_until_ms = now + waitAfter(failures);
  await keep({ ...kept, failures, wait_until_ms });
  try {
    const inner = await unseal(kept.browser, kept.wrapped);
    const key = await unseal(await pinKey(new Uint8Array(derive(pin, kept.salt))), inner);
    await keep({ ...kept, failures: 0, wait_until_ms: 0 });
    return key;
  } catch {
    throw new WrongPin(wait_until_ms);
  }
}

/** Wraps the store's key by a new PIN. */
export async function setPin(key: Uint8Array<ArrayBuffer>, pin: string, derive: Derive): Promise<void> {
  const kept = await custody();
  if (!kept) throw new Error('no key yet');
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const inner = await seal(await pinKey(new Uint8Array(derive(pin, salt))), key);
  await keep({ ...kept, wrapped: await seal(kept.browser, inner), salt, pin: true, failures: 0, wait_until_ms: 0 });
}

/** How long to wait after so many wrong PINs: nothing for the first four, then longer and longer, at most a day. */
export function waitAfter(failures: number): number {
  return failures < 5 ? 0 : Math.min(30_000 * 2 ** (failures - 5), 86_400_000);
}
