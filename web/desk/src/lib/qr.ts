// A text as a picture of squares.
import { encode } from 'uqr';

/** The dark squares as one path, and how many squares a side has, margin included. */
export function squares(text: string): { path: string; size: number } {
  const { data, size } = encode(text, { ecc: 'M', border: 2 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return { path, size };
}
