// Two hundred visits by keys alone, and then as many again by sample: how many keys, how many looks, how long by script.
import assert from 'node:assert/strict';
import { Desk, Officer, startServer } from '../lib.mjs';

const VISITS = 200;

export default async function journey() {
  const server = await startServer(['--visits', '28']);
  const desk = await Desk.open(server);
  const { page } = desk;
  try {
    const officer = await Officer.signIn(server);
    const approved = async () => (await officer.get(`/api/v1/counts?unit=${server.sample.commune}`)).totals.approved;
    await desk.goto('review');
    const open = page.getByRole('listbox', { name: 'Danh sách chuyến thăm' }).getByRole('option', { selected: true });
    const ready = page.getByRole('region', { name: 'Chuyến thăm đang xem' }).getByRole('button', { name: /^Duyệt/ });
    const begun = Date.now();
    for (let done = 0; done < VISITS; done += 1) {
      await ready.waitFor();
      const id = await open.getAttribute('id');
      await page.keyboard.press('a');
      await page.locator(`#${id}`).waitFor({ state: 'detached' });
    }
    const seconds = (Date.now() - begun) / 1000;
    assert.equal(await approved(), VISITS);
    console.log(`      ${VISITS} visits, each one opened: ${VISITS} keys, ${seconds.toFixed(0)} s by script`);

    // By sample: every flagged one and a tenth of the others.
    await page.reload();
    await ready.waitFor();
    let clicks = 1;
    const next = page.getByRole('button', { name: 'Xem chuyến tiếp theo của mẫu' });
    const all = page.getByRole('button', { name: /^Duyệt cả \d+ chuyến$/ });
    while (!(await all.isVisible())) {
      const before = await open.getAttribute('id');
      await next.click();
      clicks += 1;
      await page.locator(`.line[aria-selected="true"]:not(#${before})`).waitFor();
      await ready.waitFor();
    }
    await all.click();
    await page.getByRole('status').filter({ hasText: /Đã duyệt \d+ chuyến/ }).waitFor();
    console.log(`      as many by sample: ${clicks} presses`);
    assert.equal(await approved(), 2 * VISITS);
  } finally {
    await desk.end();
    await server.end();
  }
}
