// The indicators as they ship: asked for once, for choosing one and for its formula in words.
import { get } from './api';
import type { Option } from './catalogue.svelte';

export interface Indicator extends Option {
  formula_text: { vi: string; en: string };
}

export interface IndicatorSet extends Option {
  indicators: Indicator[];
  /** There where a commune is recognised by it. */
  recognition?: unknown;
}

export interface ScoreSet extends Option {
  items: Indicator[];
}

/** A number that officers type for a period. */
export interface ManualInput extends Option {
  unit: string;
}

interface Shipped {
  sets: IndicatorSet[];
  team_score_sets: ScoreSet[];
  digital_citizen_sets: Option[];
  manual_inputs: ManualInput[];
}

const state = $state<{ sets: IndicatorSet[]; scores: ScoreSet[]; citizens: Option[]; manual: ManualInput[] }>({ sets: [], scores: [], citizens: [], manual: [] });
let asked: Promise<void> | null = null;

/** Asks for the indicators unless they are there. */
export function needIndicators(): Promise<void> {
  asked ??= (get('/api/v1/indicators') as Promise<unknown>).then(
    (said) => {
      const read = said as Shipped;
      state.sets = read.sets;
      state.scores = read.team_score_sets;
      state.citizens = read.digital_citizen_sets;
      state.manual = read.manual_inputs;
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

/** The numbers that officers type for a period. */
export const manualInputs = (): ManualInput[] => state.manual;

/** The sets by which a commune is recognised. */
export const communeSets = (): IndicatorSet[] => state.sets.filter((set) => set.recognition);

/** A set of criteria by its code: of a commune or of a person. */
export const criteria = (code: string): Option | undefined => [...state.sets, ...state.citizens].find((set) => set.code === code);
