// Reading a form through the catalogue: what is asked now, and answers in words. What is right is for the core to say.
import type { ActivityForm, FormFinding, JsonValue } from '../core/api';
import type { Condition, Field, Kind } from './catalogue';
import { day, moment, number, t } from './i18n.svelte';
import { labels } from './labels.svelte';
import { SUBJECTS as SUBJECTS_NAMED, subjectName } from './subjects.svelte';

export type Answers = Record<string, JsonValue>;

/** An answer that says nothing. */
export const isEmpty = (value: JsonValue | undefined): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

const holds = (condition: Condition, answers: Answers): boolean =>
  Object.entries(condition).every(([field, values]) => values.includes(answers[field] as string | number | boolean));

/** Whether a field wants an answer, as the others stand. */
export const isAsked = (field: Field, answers: Answers): boolean =>
  field.required || (field.required_if !== undefined && holds(field.required_if, answers));

/** Whether this phone can give an answer: photos, and references that no picker offers, come from elsewhere. */
const isGivenHere = (field: Field): boolean =>
  field.type === 'ref' ? SUBJECTS_NAMED.includes(field.ref ?? '') : field.type !== 'photo';

/** Fields that want an answer, and those that may have one. */
export function fieldsOf(kind: Kind, answers: Answers): { asked: Field[]; more: Field[] } {
  const here = kind.fields.filter(isGivenHere);
  return {
    asked: here.filter((field) => isAsked(field, answers)),
    more: here.filter((field) => !isAsked(field, answers) && (!field.required_if || !isEmpty(answers[field.code]))),
  };
}

/** Whether every answer that is wanted can be given on this phone on this day. */
export const isOffered = (kind: Kind, day: string): boolean =>
  (!kind.valid_from || kind.valid_from <= day) &&
  (!kind.retired_on || kind.retired_on > day) &&
  kind.fields.every((field) => !field.required || isGivenHere(field));

// Which subjects come first in which kind of visit. An order of tiles only: the search finds every kind.
const SUBJECTS: Record<string, string[]> = {
  household: ['person', 'household'],
  business: ['business', 'product', 'person', 'household'],
  market: ['market', 'business', 'product', 'person'],
  group: ['group', 'village', 'person'],
  village: ['village', 'group'],
  desk: ['person', 'village'],
};

/** Whether a kind is usual for a kind of visit. */
export const isUsual = (kind: Kind, visitType: string): boolean =>
  (SUBJECTS[visitType] ?? []).includes(kind.subject);

const PILLARS: Record<string, string> = {
  digital_infrastructure: 'infra',
  digital_government: 'gov',
  digital_economy: 'eco',
  digital_society: 'soc',
};

/** The class that gives a pillar its colour. */
export const pillarClass = (pillar: string | undefined): string => PILLARS[pillar ?? ''] ?? 'gov';

/** An answer in words. */
export function inWords(field: Field | undefined, value: JsonValue, today: string): string {
  const choice = (code: string): string => {
    const known =
      field?.options?.find((option) => option.code === code) ??
      (field?.list ? labels.all()?.lists[field.list]?.find((option) => option.code === code) : undefined);
    return known ? labels.said(known) : code;
  };
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? t('action.yes') : t('action.no');
  if (typeof value === 'number') return field?.type === 'money_vnd' ? `${number(value)} đ` : number(value);
  if (Array.isArray(value)) {
    return field?.type === 'photo' ? number(value.length) : value.map((code) => choice(String(code))).join(', ');
  }
  if (typeof value === 'object') return Object.values(value).join(', ');
  if (field?.type === 'enum') return choice(value);
  if (field?.type === 'ref') return subjectName(value) ?? t('subject.named');
  if (field?.type === 'date') return day(value);
  if (field?.type === 'period_month') return value.split('-').reverse().join('/');
  if (field?.type === 'datetime') return moment(Date.parse(value), today);
  return value;
}

/** What a reader would want to hear of an activity that nobody has answered yet: nothing. */
export const isUntouched = (activity: ActivityForm): boolean => Object.values(activity.fields).every(isEmpty);

/** Findings about one field of one activity, or of the visit when `activity` is null. */
export const findingsAt = (findings: FormFinding[], activity: number | null, field: string): FormFinding[] =>
  findings.filter((finding) => finding.activity === activity && finding.field === field);
