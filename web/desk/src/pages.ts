// Every page of the desk: its address, its place in the menu, for whom it is, and how it is loaded. Loaded when it is opened, so
// that an old PC reads little.
import type { Component } from 'svelte';
import { isAdmin, isCommune, unit } from './lib/scope.svelte';

export type PageComponent = Component<{ parts: string[] }>;
type Loader = () => Promise<{ default: PageComponent }>;

interface Entry {
  /** The first part of the address; words under `nav.<path>`. */
  path: string;
  /** Whether it is offered. The server decides what may be done. */
  for: () => boolean;
  page: Loader;
}

const everybody = () => true;
const runsTeams = () => isCommune() || isAdmin();

/** The menu. */
export const groups: { code: string; pages: Entry[] }[] = [
  {
    code: '',
    pages: [
      { path: '', for: everybody, page: () => import('./pages/Overview.svelte') },
      { path: 'review', for: isCommune, page: () => import('./pages/Review.svelte') },
      { path: 'conflicts', for: isCommune, page: () => import('./pages/Conflicts.svelte') },
    ],
  },
  {
    code: 'numbers',
    pages: [
      { path: 'figures', for: everybody, page: () => import('./pages/Figures.svelte') },
      { path: 'league', for: everybody, page: () => import('./pages/League.svelte') },
      { path: 'reports', for: () => unit() !== null, page: () => import('./pages/Reports.svelte') },
      { path: 'map', for: everybody, page: () => import('./pages/Map.svelte') },
    ],
  },
  {
    code: 'programmes',
    pages: [
      { path: 'field-cases', for: isCommune, page: () => import('./pages/FieldCases.svelte') },
      { path: 'targets', for: () => unit() !== null, page: () => import('./pages/Targets.svelte') },
      { path: 'bases', for: () => unit() !== null, page: () => import('./pages/Bases.svelte') },
      { path: 'campaigns', for: () => unit() !== null, page: () => import('./pages/Campaigns.svelte') },
      { path: 'announcements', for: () => unit() !== null, page: () => import('./pages/Announcements.svelte') },
      { path: 'recognitions', for: () => unit() !== null, page: () => import('./pages/Recognitions.svelte') },
      { path: 'courses', for: isCommune, page: () => import('./pages/Courses.svelte') },
      { path: 'support', for: isCommune, page: () => import('./pages/Support.svelte') },
    ],
  },
  {
    code: 'people',
    pages: [
      { path: 'households', for: isCommune, page: () => import('./pages/Households.svelte') },
      { path: 'duplicates', for: isCommune, page: () => import('./pages/Duplicates.svelte') },
      { path: 'quality', for: isCommune, page: () => import('./pages/Quality.svelte') },
      { path: 'units', for: everybody, page: () => import('./pages/Units.svelte') },
      { path: 'teams', for: runsTeams, page: () => import('./pages/Teams.svelte') },
      { path: 'people', for: runsTeams, page: () => import('./pages/People.svelte') },
      { path: 'imports', for: runsTeams, page: () => import('./pages/Imports.svelte') },
    ],
  },
  {
    code: 'order',
    pages: [
      { path: 'reorganisations', for: isAdmin, page: () => import('./pages/Reorganisations.svelte') },
      { path: 'catalogue', for: everybody, page: () => import('./pages/Catalogue.svelte') },
      { path: 'audit', for: isAdmin, page: () => import('./pages/Audit.svelte') },
    ],
  },
];

/** Pages without a place in the menu: one thing of a list. */
const others: Record<string, Loader> = {
  visits: () => import('./pages/Visits.svelte'),
  periods: () => import('./pages/Periods.svelte'),
};

const missing: Loader = () => import('./pages/Missing.svelte');

/** The page of an address. */
export function pageOf(parts: string[]): Loader {
  const name = parts[0] ?? '';
  return groups.flatMap((group) => group.pages).find((page) => page.path === name)?.page ?? others[name] ?? missing;
}
