// Teams with who works in them, and the units of a commune: asked for by several pages.
import { get, type View } from './api';
import { today } from './days';
import { tc } from './i18n';
import { query } from './router.svelte';
import { unitId } from './scope.svelte';

export type Team = View<'TeamView'>;
export type Member = View<'MemberView'>;
export type Account = View<'UserView'>;
export type Unit = View<'UnitView'>;

export const POSITIONS = ['leader', 'deputy', 'member'];
export const ORGANISATIONS = [
  'youth',
  'women',
  'farmers',
  'veterans',
  'front',
  'police',
  'teacher',
  'health',
  'post_telecom',
  'village_head',
  'village_board',
  'other',
];

/** The nil id: the installation as a whole, and what lies above provinces. */
export const ROOT = '00000000-0000-0000-0000-000000000000';

/** The unit that a page is about: the one in its address, else the one in use. */
export const placeId = (): string => query().unit ?? unitId();

/** What a link within the page's unit takes along. */
export const placed = (): { unit?: string | undefined } => ({ unit: query().unit });

/** Whether something that ends on the day before `to` holds on a day. */
export const holds = (span: { from?: string | null; to?: string | null }, on = today()): boolean =>
  (!span.from || span.from <= on) && (!span.to || on < span.to);

/** A team and everybody who is or was in it. */
export interface Crew {
  team: Team;
  members: Member[];
}

/** Every team of a unit, page by page. */
export async function teamsOf(unit: string): Promise<Team[]> {
  const found: Team[] = [];
  let cursor: string | undefined;
  do {
    const page = await get('/api/v1/teams', { params: { query: { unit, limit: 200, cursor } } });
    found.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return found;
}

/** Every team of a unit with its members. */
export async function crewsOf(unit: string): Promise<Crew[]> {
  const teams = await teamsOf(unit);
  const members = await Promise.all(teams.map((team) => get('/api/v1/teams/{id}/members', { params: { path: { id: team.id } } })));
  return teams
    .map((team, at) => ({ team, members: members[at]?.items ?? [] }))
    .sort((a, b) => a.team.level.localeCompare(b.team.level) || a.team.unit.name.localeCompare(b.team.unit.name, 'vi'));
}

/** Members who are in the team today, the leader first; whoever changes position today stands there once, with the new one. */
export const present = (members: Member[]): Member[] =>
  members
    .filter((member) => holds(member))
    .filter((member, _, all) => !member.to || !all.some((other) => other.user === member.user && !other.to))
    .sort((a, b) => POSITIONS.indexOf(a.position) - POSITIONS.indexOf(b.position) || byName(a.display_name, b.display_name));

/** The commune and its villages in force, as a choice of units. */
export async function unitsOf(commune: string): Promise<Unit[]> {
  const [own, below] = await Promise.all([
    get('/api/v1/units/{id}', { params: { path: { id: commune } } }),
    get('/api/v1/units', { params: { query: { parent: commune, on: today() } } }),
  ]);
  return [own, ...below.items];
}

/** Vietnamese names are told apart by the last word first. */
export function byName(a: string, b: string): number {
  const last = (name: string): string => name.trim().split(/\s+/).at(-1) ?? '';
  return last(a).localeCompare(last(b), 'vi') || a.localeCompare(b, 'vi');
}

/** Letters without marks, for searching what is on the page. */
export const folded = (text: string): string =>
  text.normalize('NFD').replace(/\p{M}/gu, '').replace(/[đĐ]/g, 'd').toLowerCase();

/** What a role is called, with the unit for which it holds. */
export const roleAt = (role: string, unit: { id: string; name: string }): string => `${tc('role', role)} · ${unit.id === ROOT ? tc('people', 'installation') : unit.name}`;
