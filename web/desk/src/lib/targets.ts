// What a form of a target holds, and what is sent of it.
import type { View } from './api';
import { today } from './days';

export type Target = View<'TargetView'>;

export interface TargetForm {
  unit: string;
  /** `indicator:CODE` or `kind:CODE`. */
  goal: string;
  value: string;
  task: string;
  person: string;
  from: string;
  due: string;
  product: string;
  resource: string;
}

/** The five clears, each with the fields that the server may name as missing. */
export const CLEARS: { code: string; fields: string[] }[] = [
  { code: 'task', fields: ['task'] },
  { code: 'person', fields: ['person'] },
  { code: 'time', fields: ['from', 'due'] },
  { code: 'product', fields: ['product'] },
  { code: 'resource', fields: ['resource'] },
];

export const goalOf = (target: Target): string => (target.indicator ? `indicator:${target.indicator}` : target.kind ? `kind:${target.kind}` : '');

/** An empty form, or that of a target that is there; or of one like it for another unit. */
export const targetForm = (unit: string, of?: Target): TargetForm => ({
  unit: of?.unit.id ?? unit,
  goal: of ? goalOf(of) : '',
  value: of?.value ?? '',
  task: of?.task ?? '',
  person: of?.person ?? '',
  from: of ? (of.from ?? '') : today(),
  due: of?.due ?? '',
  product: of?.product ?? '',
  resource: of?.resource ?? '',
});

/** What is sent of a form. */
export function targetBody(form: TargetForm, ver: string | null) {
  const [what, code = null] = form.goal.split(':');
  const said = (text: string): string | null => text.trim() || null;
  return {
    unit: form.unit,
    value: form.value.trim().replace(',', '.'),
    task: said(form.task),
    person: said(form.person),
    product: said(form.product),
    resource: said(form.resource),
    from: form.from || null,
    due: form.due || null,
    base_ver: ver,
    indicator: what === 'indicator' ? code : null,
    kind: what === 'kind' ? code : null,
  };
}
