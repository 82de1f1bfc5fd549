// A payment code at a shop: the shop is entered on the spot under the household's name, and the next time it is one tap.
import assert from 'node:assert/strict';
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
    const [place] = await ask(aside, 'places');
    const state = await ask(aside, 'state');
    const [household] = await ask(aside, 'households', { query: '', limit: 1 });
    const open = async () => {
      const form = {
        village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day: state.day,
        activities: [{ kind: 'payment_qr_point', fields: {} }],
      };
      const draft = await ask(aside, 'draft_begin', { call: crypto.randomUUID(), form });
      await page.evaluate((id) => (location.hash = `#/draft/${id}`), draft.id);
      await page.getByText('Hộ kinh doanh / quầy hàng').waitFor();
      return draft.id;
    };
    await phone.offline();
    const first = await open();
    await page.getByRole('button', { name: 'Cơ sở mới' }).click();
    const named = await page.getByLabel('Tên hộ kinh doanh, cơ sở').inputValue();
    assert.ok(named.length > 0, 'a name is there without typing');
    await page.getByRole('button', { name: 'Thêm và chọn' }).click();
    await page.getByRole('button', { name: named, exact: true, pressed: true }).waitFor();
    await page.getByText('Cơ sở mới').waitFor();
    const [shop] = await ask(aside, 'subjects', { of: 'business', village: place.village.id, household: household.id });
    assert.deepEqual([shop.name, shop.here], [named, true]);

    const second = await open();
    assert.notEqual(second, first);
    const chip = page.getByRole('button', { name: named, exact: true });
    await chip.click();
    await page.waitForFunction(() => document.querySelector('.chip[aria-pressed=true]') !== null);
    const waitKept = async () => {
      for (let left = 50; left > 0; left -= 1) {
        const draft = await ask(aside, 'draft', { id: second });
        if (draft.form.activities[0].fields.business === shop.id) return;
        await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
      }
      throw new Error('the form does not hold the shop');
    };
    await waitKept();
    await phone.offline(false);
    await page.evaluate(() => (location.hash = '#/outbox'));
    await page.getByRole('button', { name: 'Gửi ngay' }).or(page.getByRole('button', { name: 'Đồng bộ ngay' })).first().click();
    await page.evaluate(() => (location.hash = '#/'));
    await page.getByText('Đã gửi hết').waitFor();
    assert.equal((await ask(aside, 'attention')).length, 0, 'the server took it');
    await aside.close();
  } finally {
    await phone.end();
  }
}
