// The courses that ship with every phone, for choosing one; and codes for others.
import { courses as shipped } from '../../../../sync-protocol/data/courses.json';
import type { Option } from './catalogue.svelte';

/** The shipped courses. */
export const courses: Option[] = shipped.map(({ code, title }) => ({ code, ...title }));

/** The code of a course that does not ship, made of its name: `Kỹ năng số` is `ky_nang_so`. */
export const codeOf = (name: string): string =>
  name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/đ/gi, 'd')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 60);
