// What cannot be sent is written to a file, the operator loads it twice, and each visit is at the desk once.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Officer, Phone, ask } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  const { page } = phone;
  try {
    await phone.enrol(await officer.code(member.user));
    await page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();

    // Nothing waits: no file.
    await phone.page.evaluate(() => (location.hash = '#/help'));
    await page.getByRole('button', { name: 'Xuất bản cứu hộ' }).click();
    await page.getByText('Không có mục nào chưa gửi').waitFor();

    await phone.offline();
    const [place] = await ask(aside, 'places');
    const state = await ask(aside, 'state');
    const households = await ask(aside, 'households', { query: '', limit: 2 });
    const visits = [];
    for (const household of households) {
      const form = {
        village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day: state.day,
        activities: [{ kind: 'vneid_level2', fields: { step: 'activated', age_14_plus: true, outcome: 'done' } }],
      };
      const draft = await ask(aside, 'draft_begin', { call: crypto.randomUUID(), form });
      visits.push((await ask(aside, 'draft_finish', { id: draft.id, form: draft.form, submit: true })).row);
    }
    await page.evaluate(() => (location.hash = '#/outbox'));
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Xuất bản cứu hộ' }).click();
    const download = await coming;
    assert.match(download.suggestedFilename(), /^thon-so-cuu-ho-\d{4}-\d\d-\d\d\.thonso$/);
    await page.getByText('có 2 chuyến thăm').waitFor();
    const path = await download.path();
    const bytes = await readFile(path);
    assert.ok(!bytes.includes(households[0].label), 'the file shows no household');

    await server.stop();
    const taken = () => JSON.parse(server.command('import-rescue', '--json', path));
    const first = taken();
    assert.deepEqual([first.known, first.rejected, first.problems], [0, 0, []]);
    assert.equal(first.applied, first.ops);
    const second = taken();
    assert.deepEqual([second.known, second.applied], [first.ops, 0]);
    await server.start();
    for (const visit of visits) assert.equal((await officer.get(`/api/v1/visits/${visit}`)).id ?? visit, visit);
    const there = await officer.get(`/api/v1/visits?village=${place.village.id}&limit=100`);
    for (const visit of visits) assert.equal(there.items.filter((one) => one.id === visit).length, 1);

    // The phone comes back into the network and says the same once more.
    await phone.offline(false);
    await page.evaluate(() => (location.hash = '#/'));
    await page.getByText('Đã gửi hết').waitFor();
    const later = await officer.get(`/api/v1/visits?village=${place.village.id}&limit=100`);
    assert.equal(later.items.length, there.items.length);
    await aside.close();
  } finally {
    await phone.end();
  }
}
