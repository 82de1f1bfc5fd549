// Whether this browser can keep what is saved.

/** Windows inside other apps: no installation, and their storage may be emptied at any time. */
const INSIDE = /Zalo|FBAN|FBAV|FB_IAB|Instagram|Line\/|; wv\)/;

/** Why the app must not be used here; nothing when it may. */
export async function unfit(): Promise<'inside' | 'old' | 'private' | null> {
  if (INSIDE.test(navigator.userAgent)) return 'inside';
  const able = 'locks' in navigator && 'storage' in navigator && 'getDirectory' in navigator.storage && 'BroadcastChannel' in globalThis;
  if (!able || !isSecureContext) return 'old';
  try {
    // A private window refuses one or the other.
    await navigator.storage.getDirectory();
    await new Promise<void>((resolve, reject) => {
      const open = indexedDB.open('thonso-probe');
      open.onsuccess = () => {
        open.result.close();
        indexedDB.deleteDatabase('thonso-probe');
        resolve();
      };
      open.onerror = () => reject(open.error);
    });
  } catch {
    return 'private';
  }
  return null;
}
