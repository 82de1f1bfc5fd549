// Values put into a few classes for colouring, each with its range and how many places are in it.
import { exact } from './figures';

export interface Step {
  /** Its colour: `s0` … `s5` by size, `d1` … `d4` by days, `none` without a value. */
  css: string;
  /** From and up to; both inside. */
  from: number;
  to: number;
}

/** Days since a visit: after thirty nobody has been there for a month. */
const DAYS: Step[] = [
  { css: 'd1', from: 0, to: 7 },
  { css: 'd2', from: 8, to: 14 },
  { css: 'd3', from: 15, to: 30 },
  { css: 'd4', from: 31, to: Infinity },
];
const CLASSES = 5;

/** A round number, not below: 1, 2, 5, 10, 20, 50, … */
function round(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((one) => one * power >= value) ?? 10) * power;
}

/** The classes for these values: nothing at all is a class of its own. */
export function steps(values: (number | null)[], measuredIn: string): Step[] {
  if (measuredIn === 'days') return DAYS;
  const most = Math.max(0, ...values.map((value) => value ?? 0));
  const found: Step[] = [{ css: 's0', from: 0, to: 0 }];
  if (most <= 0) return found;
  const whole = measuredIn === 'count';
  const width = whole ? Math.max(1, round(most / CLASSES)) : round(most / CLASSES);
  for (let n = 0; n < CLASSES && n * width < most; n += 1) {
    found.push({ css: `s${n + 1}`, from: n * width + (whole ? 1 : 0), to: (n + 1) * width });
  }
  return found;
}

/** The class of a value: the first one that reaches it. */
export function stepOf(of: Step[], value: string | null | undefined): string {
  const number = exact(value);
  if (number === null) return 'none';
  return (of.find((step) => number <= step.to) ?? of[of.length - 1])?.css ?? 'none';
}
