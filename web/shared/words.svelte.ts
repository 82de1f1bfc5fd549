// Words and forms of numbers and days, for the field app and the desk. Each brings its own catalogue.

export type Lang = 'vi' | 'en';

const REMEMBERED = 'thonso.lang';

const remembered = (): Lang => (localStorage.getItem(REMEMBERED) === 'en' ? 'en' : 'vi');

const chosen = $state<{ lang: Lang }>({ lang: remembered() });

/** The language in use. */
export const lang = (): Lang => chosen.lang;

/** Changes the language, at once and for good. */
export function setLang(lang: Lang): void {
  chosen.lang = lang;
  localStorage.setItem(REMEMBERED, lang);
  document.documentElement.lang = lang;
}

/** The two ways to words of a catalogue; Vietnamese is the first-class language and gives the keys. */
export function wordsOf<Key extends string>(words: Record<Lang, Record<Key, string>>) {
  /** Words by key; `{name}` is filled in. English has `key.one` where the number one needs other words. */
  function t(key: Key, values: Record<string, string | number> = {}): string {
    const given = words[chosen.lang];
    const one = chosen.lang === 'en' && values.n === 1 ? given[`${key}.one` as Key] : undefined;
    return (one ?? given[key] ?? words.vi[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? number(value) : value;
    });
  }

  /** Words by a key made of a prefix and a code; the code itself where there are none. */
  function tc(prefix: string, code: string): string {
    const key = `${prefix}.${code}` as Key;
    return key in words.vi ? t(key) : code;
  }

  return { t, tc };
}

/** Whichever of two texts fits the language. */
export const pick = (said: { vi: string; en: string }): string => (chosen.lang === 'en' ? said.en : said.vi);

const locale = (): string => (chosen.lang === 'en' ? 'en-GB' : 'vi-VN');
const ZONE = 'Asia/Ho_Chi_Minh';

/** A number: 1.234 in Vietnamese. */
export const number = (value: number): string => new Intl.NumberFormat(locale()).format(value);

/** A figure given in decimal digits. */
export const decimal = (digits: string): string =>
  new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(Number(digits));

/** A day such as `2026-11-23`. */
export function day(text: string, style: 'short' | 'long' = 'short'): string {
  const moment = new Date(`${text}T12:00:00+07:00`);
  const form: Intl.DateTimeFormatOptions =
    style === 'long'
      ? { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', timeZone: ZONE }
      : { day: '2-digit', month: '2-digit', year: 'numeric', timeZone: ZONE };
  return new Intl.DateTimeFormat(locale(), form).format(moment);
}

/** A moment in ms since 1970: hour and minute, and the day unless it is `today`. */
export function moment(ms: number, today: string): string {
  const at = new Date(ms);
  const time = new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', timeZone: ZONE }).format(at);
  const on = new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE }).format(at);
  return on === today ? time : `${time} ${day(on)}`;
}

/** Bytes as people count them. */
export function bytes(count: number): string {
  if (count < 1_000) return `${number(count)} B`;
  if (count < 1_000_000) return `${number(Math.round(count / 1_000))} KB`;
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(count / 1_000_000)} MB`;
}
