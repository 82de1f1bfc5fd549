// The words of the desk. One file per language in web/strings.
import { wordsOf } from '../../../shared/words.svelte';
import en from '../../../strings/desk.en.json';
import vi from '../../../strings/desk.vi.json';

export { bytes, day, decimal, lang, moment, number, pick, setLang, type Lang } from '../../../shared/words.svelte';

export type Key = keyof typeof vi;

export const { t, tc } = wordsOf<Key>({ vi, en });
