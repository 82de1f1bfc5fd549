// What is said to the core when a household answers whether its names and phone may be kept.
import type { ConsentArgs } from '../core/api';
import { lang } from './i18n.svelte';

/** Goes up with every change of the text that is read out. */
const NOTICE_VERSION = '1';

/** The answer that was given just now, in front of the volunteer. */
export const consentArgs = (purposes: string[], withdrawn = false): ConsentArgs => ({
  purposes,
  notice_version: NOTICE_VERSION,
  language: lang(),
  method: 'spoken_witnessed',
  withdrawn,
});

/** What names and phone are kept for. */
export const VISIT_LOG = ['visit_log'];
