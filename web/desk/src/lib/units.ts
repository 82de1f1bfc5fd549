// What villages are like, and how their changes are told.
import { listOf, type Option } from './catalogue.svelte';
import type { View } from './api';
import { number, pick, t, tc } from './i18n';

/** The word before a village's name; a part of the name, in no other language. */
export const TYPE_WORDS: Record<string, string> = { thon: 'Thôn', ban: 'Bản', xom: 'Xóm', to_dan_pho: 'Tổ dân phố', khu_pho: 'Khu phố' };
export const MODES = ['tally', 'household', 'person'];

export type Entry = View<'AttributeEntry'>;
type Value = Entry['value'];

/** The attributes, each with how its value is given. */
export const ATTRIBUTES: { code: string; form: 'holds' | 'number' | 'code' | 'codes'; list: string }[] = [
  { code: 'mobile_tech_best', form: 'code', list: 'mobile_tech' },
  { code: 'operators_ok', form: 'codes', list: 'operator' },
  { code: 'fibre_available', form: 'holds', list: '' },
  { code: 'grid_power', form: 'holds', list: '' },
  { code: 'public_wifi', form: 'holds', list: '' },
  { code: 'common_languages', form: 'codes', list: 'language' },
  { code: 'distance_to_commune_km', form: 'number', list: '' },
  { code: 'access', form: 'code', list: '' },
];
const ACCESS = ['car', 'motorbike', 'foot', 'boat'];

/** What may be chosen for an attribute. */
export function choicesOf(code: string): Option[] {
  if (code === 'access') return ACCESS.map((one) => ({ code: one, vi: tc('access', one), en: tc('access', one) }));
  return listOf(ATTRIBUTES.find((one) => one.code === code)?.list ?? '');
}

/** A value in words. */
export function valueText(code: string, value: Value): string {
  const label = (one: string): string => {
    const found = choicesOf(code).find((choice) => choice.code === one);
    return found ? pick(found) : one;
  };
  if (typeof value === 'boolean') return value ? t('answer.yes') : t('answer.no');
  if (typeof value === 'number') return `${number(value)} km`;
  return Array.isArray(value) ? value.map(label).join(', ') : label(value);
}

/** A history in the order in which it is kept. */
export const ordered = (history: Entry[]): Entry[] =>
  [...history].sort((a, b) => (a.code === b.code ? (a.from < b.from ? -1 : 1) : a.code < b.code ? -1 : 1));
