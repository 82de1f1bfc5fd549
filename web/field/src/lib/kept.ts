// What a form holds before the core has it. It outlives a reload of the page and is gone with the tab; in the browser's files
// it lies sealed.
import { sealText, unsealText } from '../core/keys';

/** The last wish about each name: sealing takes a moment, and what was typed last must win. */
const wishes = new Map<string, number>();

function wish(name: string): number {
  const next = (wishes.get(name) ?? 0) + 1;
  wishes.set(name, next);
  return next;
}

/** Keeps a text under a name. */
export async function keep(name: string, text: string): Promise<void> {
  const mine = wish(name);
  const sealed = await sealText(text);
  if (sealed !== null && wishes.get(name) === mine) sessionStorage.setItem(name, sealed);
}

/** What is kept under a name. */
export async function kept(name: string): Promise<string | null> {
  const sealed = sessionStorage.getItem(name);
  return sealed === null ? null : unsealText(sealed);
}

/** Nothing more is kept under a name. */
export function drop(name: string): void {
  wish(name);
  sessionStorage.removeItem(name);
}
