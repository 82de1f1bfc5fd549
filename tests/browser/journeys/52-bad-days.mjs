// Days on which nothing goes right: no server for weeks, a clock that is wrong, a server that refuses, an app that is too old, a
// phone that was reported lost. Each is said in plain words, and nothing that was saved is lost.
import assert from 'node:assert/strict';
import { Officer, Phone, ask, startLine } from '../lib.mjs';

const DAY_MS = 86_400_000;

/** Records a visit to the first household, as the form does. */
async function record(page, changes = {}) {
  const [household] = await ask(page, 'households', { query: '', limit: 1 });
  const [place] = await ask(page, 'places');
  const { day } = await ask(page, 'state');
  const form = {
    village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day,
    activities: [], result: 'absent', ...changes,
  };
  const draft = await ask(page, 'draft_begin', { call: crypto.randomUUID(), form });
  await ask(page, 'draft_finish', { id: draft.id, form, submit: true });
  return { id: draft.id, day, village: place.village.id };
}

/** Weeks without a server, told as they are; then the clock of a phone whose battery was out. */
async function weeks(server, officer) {
  const line = await startLine(server);
  const phone = await Phone.open(line);
  try {
    await phone.enrol(await officer.code(server.member().user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    await phone.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    line.down = true;
    await phone.page.clock.install({ time: Date.now() + 24 * DAY_MS });
    await phone.page.reload();
    await phone.unlock();
    await phone.home();
    const aside = await phone.beside();
    await record(aside);
    await phone.page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await phone.page.getByText('Chưa liên lạc được với máy chủ').first().waitFor();
    await phone.page.getByText('1 mục chưa gửi').waitFor();
    assert.match(await phone.page.locator('.strip').innerText(), /liên lạc lúc .*\d\d\/\d\d/, 'the day of the last contact');

    line.down = false;
    await phone.page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await phone.page.getByText('Đã gửi hết').waitFor();
    await aside.close();
  } finally {
    await phone.end();
    await line.end();
  }
}

/** The commune decided otherwise meanwhile: the server says no to both, each with its reason, and the person can act. */
async function refused(server, officer) {
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(server.member().user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    const { id, village } = await record(aside);
    await ask(aside, 'sync', { pressed: true });
    const { content_hash } = await officer.get(`/api/v1/visits/${id}`);
    await officer.post(`/api/v1/visits/${id}/return`, { content_hash, reasons: [{ code: 'wrong_day' }] });
    await ask(aside, 'sync', { pressed: true });
    const privacy = async (mode) => {
      const { ver } = await officer.get(`/api/v1/units/${village}`);
      await officer.ask('PATCH', `/api/v1/units/${village}/privacy`, { base_ver: ver, privacy: mode });
    };
    await phone.offline();
    const label = 'Quán cháo Sáu Lành';
    await ask(aside, 'household_create', { call: crypto.randomUUID(), village, groups: { label } });
    await ask(aside, 'visit_void', { call: crypto.randomUUID(), id, code: 'entered_by_mistake' });
    await officer.post(`/api/v1/visits/${id}/void`, { code: 'duplicate' });
    await privacy('tally');
    try {
      await phone.offline(false);
      await phone.page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
      await phone.page.getByText('Máy chủ không nhận 2 mục').waitFor();
    } finally {
      await privacy('household');
    }
    await phone.page.getByRole('link', { name: 'Xem' }).first().click();
    await phone.page.getByRole('heading', { name: 'Cần xem lại' }).waitFor();
    const told = await ask(aside, 'attention');
    assert.deepEqual(told.map((op) => op.code).sort(), ['households_not_kept', 'wrong_state']);
    for (const op of told) await phone.page.getByText(op.vi).first().waitFor();
    for (let left = 2; left > 0; left -= 1) {
      await phone.page.getByRole('button', { name: 'Đã xử lý' }).first().click();
      await phone.page.getByRole('button', { name: 'Đã xử lý' }).nth(left - 1).waitFor({ state: 'detached' });
    }
    assert.equal((await ask(aside, 'state')).sync.refused, 0);
    await aside.close();
  } finally {
    await phone.end();
  }
}

/** An app two versions old keeps its work until it is updated; a server that is busy is tried again. */
async function tooOld(server, officer) {
  const line = await startLine(server);
  const phone = await Phone.open(line);
  try {
    await phone.enrol(await officer.code(server.member().user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    line.answer = (url) => (url === '/sync' ? { status: 426, headers: {} } : null);
    await record(aside);
    await phone.page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await phone.page.getByText('Cần cập nhật ứng dụng trước khi gửi').first().waitFor();
    line.answer = (url) => (url === '/sync' ? { status: 503, headers: { 'retry-after': '1' } } : null);
    const { sync } = await ask(aside, 'state');
    assert.equal(sync.waiting + sync.sent, 1, 'the work is kept');
    line.answer = null;
    // The core waits a little after a failure, by chance; it says so until it does not.
    while ((await ask(aside, 'sync', { pressed: false })).wait_ms !== undefined);
    await phone.page.getByText('Đã gửi hết').waitFor();
    await aside.close();
  } finally {
    await phone.end();
    await line.end();
  }
}

/** The officer revokes a phone in the middle of a day: it forgets the village. What it had goes on with a new code: 54. */
async function lostPhone(server, officer) {
  const phone = await Phone.open(server);
  try {
    const member = server.member();
    const before = (await officer.get(`/api/v1/users/${member.user}/devices`)).items.map((device) => device.id);
    await phone.enrol(await officer.code(member.user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    const [device] = (await officer.get(`/api/v1/users/${member.user}/devices`)).items.filter((one) => !before.includes(one.id));
    await officer.post(`/api/v1/devices/${device.id}/revoke`, { reason: 'lost' });
    await phone.page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await phone.page.getByText('Máy này đã bị thu hồi').first().waitFor();
    assert.equal((await ask(aside, 'households', { query: '', limit: 3 })).length, 0, 'nothing of the village is left');
    await aside.close();
  } finally {
    await phone.end();
  }
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  await weeks(server, officer);
  await refused(server, officer);
  await tooOld(server, officer);
  await lostPhone(server, officer);
}
