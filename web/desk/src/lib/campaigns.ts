// What a form of a campaign holds, and what is sent of it.
import type { View } from './api';
import { today } from './days';

type Campaign = View<'CampaignView'>;

export interface TargetRow {
  unit: string;
  kind: string;
  value: number | null;
}

export interface CampaignDraft {
  kind: string;
  title: string;
  theme: string;
  /** One on each line. */
  partners: string;
  daily_report: boolean;
  from: string;
  to: string;
  repeat: '' | 'weekly' | 'yearly';
  weekly: number;
  month: number;
  day: number;
  kinds: string[];
  targets: TargetRow[];
}

export const CAMPAIGN_KINDS = ['drive', 'peak_month', 'peak_week', 'digital_day', 'national_day', 'province_day', 'thursday_online', 'literacy_movement'];

/** How a kind usually comes back; offered when it is chosen, and it may be changed. */
const USUAL: Record<string, Partial<CampaignDraft>> = {
  thursday_online: { repeat: 'weekly', weekly: 4 },
  national_day: { repeat: 'yearly', month: 10, day: 10 },
  province_day: { repeat: 'yearly', month: 12, day: 31 },
};
export const usual = (kind: string): Partial<CampaignDraft> => ({ repeat: '', ...USUAL[kind] });

/** An empty form. */
export const blankCampaign = (): CampaignDraft => ({
  kind: 'drive', title: '', theme: '', partners: '', daily_report: true, from: today(), to: today(), repeat: '', weekly: 4, month: 10, day: 10, kinds: [], targets: [],
});

/** The form of a draft that is there. */
export const draftOf = (one: Campaign): CampaignDraft => ({
  kind: one.kind, title: one.title, theme: one.theme ?? '', partners: one.partners.join('\n'), daily_report: one.daily_report, from: one.from, to: one.to,
  repeat: one.weekly ? 'weekly' : one.yearly ? 'yearly' : '', weekly: one.weekly ?? 4, month: one.yearly?.month ?? 10, day: one.yearly?.day ?? 10,
  kinds: [...one.kinds], targets: one.targets.map(({ unit, kind, value }) => ({ unit: unit.id, kind, value })),
});

/** Rows that are filled in, as they are sent. */
export const filled = (rows: TargetRow[]): { unit: string; kind: string; value: number }[] =>
  rows.flatMap(({ unit, kind, value }) => (unit && kind && value !== null ? [{ unit, kind, value }] : []));

/** What is sent of a form. */
export const framed = (form: CampaignDraft) => ({
  frame: {
    kind: form.kind,
    from: form.from,
    to: form.to,
    kinds: form.kinds,
    weekly: form.repeat === 'weekly' ? form.weekly : null,
    yearly: form.repeat === 'yearly' ? { month: form.month, day: form.day } : null,
  },
  words: {
    title: form.title.trim(),
    theme: form.theme.trim() || null,
    partners: form.partners.split('\n').map((line) => line.trim()).filter(Boolean),
    daily_report: form.daily_report,
  },
});
