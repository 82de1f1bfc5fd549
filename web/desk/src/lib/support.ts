// Money of the monthly support.
import { number } from './i18n';

/** Whole đồng: `500.000 đ`. */
export const dong = (vnd: number): string => `${number(vnd)} đ`;
