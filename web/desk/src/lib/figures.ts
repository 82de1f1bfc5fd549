// Figures as they are shown. What they are worth is the server's; here are only signs and words.
import type { View } from './api';
import { number, pick, t } from './i18n';

export type Figure = View<'FigureView'>;

/** How many months a period has, for going one on or one back. */
export const MONTHS: Record<string, number> = { month: 1, quarter: 3, half_year: 6, year: 12 };

/** An exact number of the server (`12`, `25/3`) for drawing. */
export function exact(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null;
  const [above = '', below = '1'] = text.split('/');
  const value = Number(above) / Number(below);
  return Number.isFinite(value) ? value : null;
}

/** A number with at most two decimals. */
export const short = (value: number): string => number(Math.round(value * 100) / 100);

/** An exact number as people write it. */
export function plain(text: string | null | undefined): string {
  const value = exact(text);
  return value === null ? '' : short(value);
}

/** With what it is counted in. */
export function withUnit(shown: string, unit: string): string {
  if (unit === 'percent') return `${shown}%`;
  if (unit === 'points') return t('figure.points', { n: shown });
  if (unit === 'days') return t('figure.days', { n: shown });
  return shown;
}

/** The value as people write it, with its unit; nothing where there is none. */
export const valueOf = (figure: { shown?: { vi: string; en: string } | null }, unit: string): string =>
  figure.shown ? withUnit(pick(figure.shown), unit) : '';

/** By how much it differs from the period before; nothing where one of them has no value. */
export function change(now: Figure, before: Figure | undefined): number | null {
  const [value, last] = [exact(now.value), exact(before?.value)];
  return value === null || last === null ? null : Math.round((value - last) * 100) / 100;
}
