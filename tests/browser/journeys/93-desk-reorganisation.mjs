// Two communes of the past are merged as the official list says: looked at first, applied in one step, and undone.
import assert from 'node:assert/strict';
import { Desk } from '../lib.mjs';

export default async function journey(server) {
  const desk = await Desk.open(server, 'admin');
  const { page } = desk;
  try {
    await desk.goto('reorganisations/new?province=10&communes=02635,02641');
    const done = async () => (await page.evaluate(() => fetch('/api/v1/reorganisations').then((said) => said.json()))).items;
    await page.getByRole('button', { name: 'Xem thử' }).click();
    await page.getByText(/xã kết thúc trước ngày/).first().waitFor();
    assert.equal((await done()).length, 0, 'looking changes nothing');
    await page.getByLabel('Theo nghị quyết số').fill('1673/NQ-UBTVQH15');
    await page.getByRole('button', { name: 'Áp dụng' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Áp dụng' }).click();
    await page.getByText('Đã áp dụng.').waitFor();
    assert.deepEqual((await done()).map((one) => one.status), ['applied']);

    // Applied a second time it is refused, and says why.
    await desk.goto('reorganisations/new?province=10&communes=02635,02641');
    await page.getByRole('button', { name: 'Xem thử' }).click();
    await page.getByRole('alert').or(page.getByText(/điều vướng/)).first().waitFor();

    await desk.goto('reorganisations');
    await page.getByRole('button', { name: 'Hoàn tác' }).click();
    await dialog.getByRole('button', { name: 'Hoàn tác' }).click();
    await page.getByText('đã hoàn tác').waitFor();
    assert.deepEqual((await done()).map((one) => one.status), ['undone']);
    await page.getByRole('main').getByText('1673/NQ-UBTVQH15').first().waitFor();
  } finally {
    await desk.end();
  }
}
