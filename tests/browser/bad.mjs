// What the journeys of bad conditions share.
import assert from 'node:assert/strict';
import { ask } from './lib.mjs';

/** Asks the core something that writes; `call` is drawn as for a press. */
export const write = (page, name, args) => ask(page, name, { call: crypto.randomUUID(), ...args });

/** The form of a standard visit to the first household. */
export async function visitForm(page) {
  const [household] = await ask(page, 'households', { query: '', limit: 1 });
  const [place] = await ask(page, 'places');
  const { day } = await ask(page, 'state');
  const fields = { step: 'activated', age_14_plus: true, outcome: 'done' };
  return {
    village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day,
    activities: [{ kind: 'vneid_level2', fields }],
  };
}

/** A visit, saved and handed in as the form does it. Gives its id. */
export async function saveVisit(page) {
  const form = await visitForm(page);
  const draft = await write(page, 'draft_begin', { form });
  await ask(page, 'draft_finish', { id: draft.id, form, submit: true });
  return draft.id;
}

/** Asks again until the answer is as wanted; the core answers each question, so nothing spins idly. */
export async function until(read, wanted, why) {
  const limit = Date.now() + 30_000;
  for (;;) {
    const found = await read();
    if (wanted(found)) return found;
    assert.ok(Date.now() < limit, `${why}: ${JSON.stringify(found)}`);
  }
}

/** One tap writes the rescue file; the operator takes it in, twice. Gives what came of it the first time. */
export async function exportAndImport(server, page) {
  const coming = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Xuất bản cứu hộ' }).click();
  const path = await (await coming).path();
  await server.stop();
  const take = () => JSON.parse(server.command('import-rescue', '--json', path));
  const first = take();
  const second = take();
  assert.deepEqual([second.known, second.applied, second.problems], [first.ops, 0, []], 'a second time changes nothing');
  await server.start();
  return first;
}
