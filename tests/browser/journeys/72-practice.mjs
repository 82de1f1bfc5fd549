// Practice: a made-up village, a whole visit with hints, and no trace of it afterwards: not on the phone, not at the server.
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
    const held = async () => JSON.stringify([await ask(aside, 'outbox'), await ask(aside, 'drafts'), await ask(aside, 'visits', { limit: 500 }), await ask(aside, 'households', { query: '', limit: 500 })]);
    const before = await held();
    const stored = () => page.evaluate(() => JSON.stringify([Object.entries(localStorage).filter(([name]) => name !== 'thonso.practice').sort(), Object.entries(sessionStorage).sort()]));
    const kept = await stored();

    const practise = async () => {
      await page.getByRole('button', { name: 'Thử một lần' }).click();
      await page.getByText('TẬP DƯỢT', { exact: true }).waitFor();
      await page.getByText('Bước 1 trong 4').waitFor();
      assert.equal(await page.getByText('Đã gửi hết').count(), 0, 'nothing speaks of sending');
      await page.getByRole('link', { name: 'Ghi chuyến thăm' }).first().click();
      await page.getByText('Bước 2 trong 4').waitFor();
      await page.locator('main .item', { hasText: 'Hộ mẫu 2' }).first().click();
      await page.getByText('Bước 3 trong 4').waitFor();
      await page.getByRole('button', { name: 'Hướng dẫn kỹ năng số trực tiếp', exact: true }).click();
      await page.getByRole('button', { name: /^Tiếp tục/ }).click();
      for (const answer of ['Tìm thông tin trên Internet', 'Có', 'Hoàn thành']) await page.getByRole('button', { name: answer, exact: true }).first().click();
      await page.getByRole('button', { name: 'Lưu và nộp', exact: true }).click();
      await page.getByText('Bước 4 trong 4').waitFor();
      await page.getByText('Đây là tập dượt').waitFor();
    };
    await practise();
    // The real book is what another window sees meanwhile.
    assert.equal(await held(), before);
    // Settings, with everything that reaches the real book, cannot be opened.
    await page.evaluate(() => (location.hash = '#/settings'));
    await page.getByText('Bước 1 trong 4').waitFor();
    await page.getByRole('button', { name: 'Kết thúc' }).click();
    await page.getByText('Đã gửi hết').waitFor();
    assert.equal(await page.getByText('TẬP DƯỢT', { exact: true }).count(), 0);
    assert.equal(await page.getByRole('button', { name: 'Thử một lần' }).count(), 0, 'it is offered once');

    // Once more from the help; a reload in the middle ends it.
    await page.evaluate(() => (location.hash = '#/help'));
    await practise();
    await page.reload();
    await phone.unlock();
    await page.getByText('Không tìm thấy').waitFor();
    await page.evaluate(() => (location.hash = '#/'));
    await page.getByRole('navigation').waitFor();
    assert.equal(await page.getByText('TẬP DƯỢT', { exact: true }).count(), 0);
    assert.equal(await held(), before, 'nothing of it is in the real book');
    assert.equal(await stored(), kept, 'nor beside it');
    await aside.close();
  } finally {
    await phone.end();
  }
}
