// The indicators as they ship: asked for once, for choosing one and for its formula in words.
import { get } from './api';
import type { Option } from './catalogue.svelte';

export interface Indicator extends Option {
  formula_text: { vi: string; en: string };
}

export interface IndicatorSet extends Option {
  indicators: Indicator[];
}

export interface ScoreSet extends Option {
  items: Indicator[];
}

const state = $state<{ sets: IndicatorSet[]; scores: ScoreSet[] }>({ sets: [], scores: [] });
let asked: Promise<void> | null = null;

/** Asks for the indicators unless they are there. */
export function needIndicators(): Promise<void> {
  asked ??= (get('/api/v1/indicators') as Promise<unknown>).then(
    (said) => {
      const read = said as { sets: IndicatorSet[]; team_score_sets: ScoreSet[] };
      state.sets = read.sets;
      state.scores = read.team_score_sets;
    },
    (thrown: unknown) => {
      asked = null;
      throw thrown;
    },
  );
  return asked;
}

/** The sets, with their indicators. */
export const indicatorSets = (): IndicatorSet[] => state.sets;

/** The scores of teams. */
export const teamScores = (): ScoreSet[] => state.scores;

/** An indicator by its code. */
export const indicator = (code: string): Indicator | undefined => state.sets.flatMap((set) => set.indicators).find((one) => one.code === code);
