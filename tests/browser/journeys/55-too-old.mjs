// The server does not talk to this version of the app any more: said, nothing is lost, and the new version is one tap away.
import assert from 'node:assert/strict';
import { Officer, Phone, ask, startLine } from '../lib.mjs';
import { saveVisit } from '../bad.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const line = await startLine(server);
  const phone = await Phone.open(line);
  try {
    const { page } = phone;
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    line.answer = (url) => (url === '/sync' ? { status: 426 } : null);
    const id = await saveVisit(page);
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Máy chủ không nhận bản ứng dụng này nữa').waitFor();
    await page.getByText('Dữ liệu vẫn còn trên máy').first().waitFor();
    assert.equal((await ask(page, 'state')).sync.problem, 'update_needed');

    // No new version yet.
    await page.getByRole('button', { name: 'Tìm bản mới' }).click();
    await page.getByText('Chưa tìm thấy bản mới').waitFor();

    // It is published: found, begun, and what waited goes out.
    line.change = (url, body) => (url.endsWith('/sw.js') ? Buffer.concat([body, Buffer.from('\n// the next version\n')]) : null);
    line.answer = null;
    await page.getByRole('button', { name: 'Tìm bản mới' }).click();
    await page.getByRole('button', { name: 'Cập nhật' }).click();
    await phone.unlock();
    await phone.home();
    await page.getByText('Đã gửi hết').waitFor();
    assert.equal((await officer.get(`/api/v1/visits/${id}`)).status, 'submitted');
  } finally {
    await phone.end();
    await line.end();
  }
}
