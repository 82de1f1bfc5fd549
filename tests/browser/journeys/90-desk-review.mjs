// The officer reviews: by keys, with what is wrong said beside the answer; what two do at once, a line that breaks and a session
// that ends lose nothing.
import assert from 'node:assert/strict';
import { Desk, Officer } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const desk = await Desk.open(server);
  const { page } = desk;
  const list = page.getByRole('listbox', { name: 'Danh sách chuyến thăm' });
  const lines = list.getByRole('option');
  const detail = page.getByRole('region', { name: 'Chuyến thăm đang xem' });
  /** The visit that is open, once it is shown. */
  const chosen = async () => {
    const line = list.getByRole('option', { selected: true });
    await detail.getByRole('button', { name: /^Duyệt/ }).waitFor();
    return (await line.getAttribute('id')).replace('line-', '');
  };
  const status = async (id) => (await officer.get(`/api/v1/visits/${id}`)).status;
  const said = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
  try {
    // Three clicks from the first page to a visit behind a number: the number, the visit, and that is it.
    await page.getByRole('link', { name: /Chuyến thăm chờ duyệt/ }).click();
    const first = await chosen();
    const many = await lines.count();

    await page.keyboard.press('a');
    await said('Đã duyệt');
    assert.equal(await status(first), 'approved');
    assert.equal(await lines.count(), many - 1, 'what is decided leaves the list');

    // What is wrong is said where it is, in the reviewer's words.
    const second = await chosen();
    assert.notEqual(second, first);
    await detail.getByRole('button', { name: /^Chỗ này chưa ổn: Đã đến bước|^Chỗ này chưa ổn:/ }).last().click();
    await page.getByPlaceholder('Lời nhắn thêm').fill('Xem lại giúp <b>chỗ này</b>');
    await page.keyboard.press('Control+Enter');
    await said('Đã trả lại');
    const returned = await officer.get(`/api/v1/visits/${second}`);
    assert.equal(returned.status, 'returned');
    assert.equal(returned.review.reasons[0].text, 'Xem lại giúp <b>chỗ này</b>');
    assert.notEqual(returned.review.reasons[0].activity, undefined, 'the reason names its place');

    // Somebody else decides while one looks: one is told, and nothing is overwritten.
    const third = await chosen();
    const content_hash = (await officer.get(`/api/v1/visits/${third}`)).content_hash;
    await officer.post(`/api/v1/visits/${third}/return`, { content_hash, reasons: [{ code: 'wrong_day' }] });
    await page.keyboard.press('a');
    await detail.getByRole('alert').waitFor();
    assert.equal(await status(third), 'returned');

    // The line breaks in the middle: it is said, and the same press is done once.
    await page.keyboard.press('ArrowDown');
    const fourth = await chosen();
    await desk.context.setOffline(true);
    await page.keyboard.press('a');
    await detail.getByRole('alert').filter({ hasText: 'Không liên lạc được' }).waitFor();
    await desk.context.setOffline(false);
    await page.keyboard.press('a');
    await said('Đã duyệt');
    assert.equal(await status(fourth), 'approved');

    // The approval is taken back while the month is open; the session ends while that is being written.
    await page.getByRole('link', { name: 'Xem lại' }).click();
    await page.getByRole('button', { name: /^Rút lại duyệt/ }).click();
    await page.getByRole('button', { name: '+ Thông tin chưa đúng' }).click();
    await page.getByLabel('Lời nhắn chung').fill('Nhờ tổ hỏi lại gia đình');
    await desk.context.clearCookies();
    await page.getByRole('button', { name: /^Trả lại/ }).click();
    await page.getByRole('dialog').getByText('Phiên làm việc đã hết').waitFor();
    assert.equal(await page.getByLabel('Lời nhắn chung').inputValue(), 'Nhờ tổ hỏi lại gia đình', 'nothing that was typed is lost');
    await desk.signIn();
    await page.getByText('bị trả lại').first().waitFor();
    assert.equal((await officer.get(`/api/v1/visits/${fourth}`)).review.note, 'Nhờ tổ hỏi lại gia đình');

    // The way back leads through every page.
    await page.goBack();
    await list.waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: /Gia Hội/ }).waitFor();
  } finally {
    await desk.end();
  }
}
