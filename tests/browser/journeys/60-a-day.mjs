// A day in the field: no network, a household found without tones, a visit with two activities in at most twelve taps and
// without typing, a form that survives the battery, sent later, sent back by the officer, put right offline, approved; and the
// numbers on phone and desk agree.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { TASKS, Taps, plain } from '../tasks.mjs';

/** The rows of a phone, asked through a window of its own. */
async function rows(phone, name, args) {
  const aside = await phone.beside();
  try {
    return await ask(aside, name, args);
  } finally {
    await aside.close();
  }
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(member.user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const before = await rows(phone, 'state');
    await phone.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));

    // No network from here on, and a page that was loaded anew.
    await phone.offline();
    await phone.page.reload();
    await phone.unlock();
    await phone.home();
    const begun = Date.now();
    const { page } = phone;
    const taps = new Taps(page);
    await TASKS[0].run(taps);
    console.log(`      a visit with two activities: ${taps.taps} taps, no typing, ${((Date.now() - begun) / 1000).toFixed(1)} s by script`);
    assert.ok(taps.taps <= 12, `${taps.taps} taps`);

    // Another one: the household is found without tones, and the battery is pulled in the middle of the form.
    const [household] = await rows(phone, 'households', { query: '', limit: 1 });
    await phone.goto('#/new-visit');
    await page.reload();
    await phone.unlock();
    await page.getByRole('searchbox').or(page.getByPlaceholder('Tìm tên, nơi ở, điện thoại')).first().fill(plain(household.label));
    await page.locator('main .item', { hasText: household.label }).first().click();
    await page.getByRole('button', { name: 'Kích hoạt định danh điện tử VNeID mức 2', exact: true }).click();
    await page.getByRole('button', { name: /^Tiếp tục/ }).click();
    await page.getByRole('button', { name: 'Đã kích hoạt mức 2', exact: true }).or(page.getByRole('radio', { name: 'Đã kích hoạt mức 2', exact: true })).first().click();
    const kept = async () => {
      const drafts = await rows(phone, 'drafts');
      return drafts.find((draft) => draft.form.activities[0]?.fields.step === 'activated');
    };
    for (let attempt = 0; !(await kept()) && attempt < 20; attempt += 1);
    const draft = await kept();
    assert.ok(draft, 'what was tapped is in the store before anything is saved');
    await phone.kill();
    await phone.restart();
    await phone.offline();
    await phone.goto(`#/draft/${draft.id}`);
    await phone.unlock();
    const again = phone.page;
    await again.getByRole('button', { name: 'Đã kích hoạt mức 2', exact: true }).or(again.getByRole('radio', { name: 'Đã kích hoạt mức 2', exact: true })).first().waitFor();
    const second = new Taps(again);
    await second.answer('Kích hoạt định danh điện tử VNeID mức 2', ['Có', 'Hoàn thành']);
    await again.getByRole('button', { name: 'Lưu và nộp', exact: true }).click();
    await again.getByText('Đã lưu trên máy').waitFor();
    const offline = await rows(phone, 'state');
    assert.equal(offline.sync.recorded, before.sync.recorded + 2);
    assert.equal(offline.sync.confirmed, before.sync.confirmed, 'nothing was sent');

    // Signal. Both arrive by themselves.
    await phone.offline(false);
    await phone.goto();
    await again.reload();
    await phone.unlock();
    await again.getByText('Đã gửi hết').waitFor();
    const sent = await rows(phone, 'state');
    assert.equal(sent.sync.confirmed, before.sync.recorded + 2);

    // The officer sends one back, with a reason at a field.
    const at = await officer.get(`/api/v1/visits/${draft.id}`);
    await officer.post(`/api/v1/visits/${draft.id}/return`, {
      content_hash: at.content_hash,
      reasons: [{ code: 'wrong_answer', activity: 0, field: 'step', text: 'Đã tích hợp giấy tờ chưa?' }],
    });
    await again.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await again.getByText('bị trả lại').first().waitFor();

    // Put right without a network.
    await phone.offline();
    await phone.goto('#/lists/returned');
    await again.reload();
    await phone.unlock();
    await again.getByText('Đã tích hợp giấy tờ chưa?').first().waitFor();
    await again.getByRole('button', { name: /^Sửa/ }).or(again.getByRole('link', { name: /^Sửa/ })).first().click();
    await again.getByText('Đã tích hợp giấy tờ chưa?').first().waitFor();
    await again.getByRole('button', { name: 'Đã tích hợp giấy tờ', exact: true }).or(again.getByRole('radio', { name: 'Đã tích hợp giấy tờ', exact: true })).first().click();
    await again.getByRole('button', { name: 'Lưu và nộp', exact: true }).click();
    await again.getByText('Đã lưu trên máy').waitFor();
    await phone.offline(false);
    await phone.goto();
    await again.reload();
    await phone.unlock();
    await again.getByText('Đã gửi hết').waitFor();

    const corrected = await officer.get(`/api/v1/visits/${draft.id}`);
    assert.equal(corrected.status, 'submitted');
    await officer.post(`/api/v1/visits/${draft.id}/approve`, { content_hash: corrected.content_hash });
    await again.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    const visit = async () => rows(phone, 'visit', { id: draft.id });
    for (let attempt = 0; (await visit()).line.status !== 'approved' && attempt < 20; attempt += 1);
    assert.equal((await visit()).line.status, 'approved');

    // The numbers of the phone are those of the desk.
    const [place] = await rows(phone, 'places');
    const state = await rows(phone, 'state');
    const counts = await rows(phone, 'counts', { month: state.month });
    const desk = await officer.get(`/api/v1/counts?unit=${place.village.id}&month=${state.month}`);
    assert.equal(counts.visits.confirmed, desk.totals.confirmed);
    assert.equal(counts.visits.approved, desk.totals.approved);
    assert.equal(counts.activities.confirmed, desk.totals.activities);
    assert.equal(counts.visits.recorded, counts.visits.confirmed, 'nothing waits');
    await phone.goto('#/numbers');
    await again.reload();
    await phone.unlock();
    await again.getByRole('heading', { name: 'Chuyến thăm' }).waitFor();

    // Another language: at once, and still there after a reload.
    await phone.goto('#/settings');
    await again.getByRole('button', { name: 'English' }).click();
    await again.getByRole('heading', { name: 'Settings' }).waitFor();
    await again.reload();
    await again.getByText('The app is locked').waitFor();
    await phone.pin();
    await again.getByRole('button', { name: 'Tiếng Việt' }).click();
    await again.getByRole('heading', { name: 'Cài đặt' }).waitFor();
  } finally {
    await phone.end();
  }
}
