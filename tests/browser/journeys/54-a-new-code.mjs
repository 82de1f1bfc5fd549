// A session that is no longer taken, then a phone that was revoked: a new code from the officer goes on with both, from the
// screen, and nothing that was recorded is lost.
import assert from 'node:assert/strict';
import { Officer, Phone, ask, startLine } from '../lib.mjs';
import { saveVisit, until } from '../bad.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const line = await startLine(server);
  const phone = await Phone.open(line);
  const { page } = phone;
  const devices = async () => (await officer.get(`/api/v1/users/${member.user}/devices`)).items.map((device) => device.id);
  const again = async () => {
    await page.getByRole('link', { name: 'Nhập mã mới' }).click();
    await page.getByText('Những gì đã ghi trên máy vẫn còn').waitFor();
    await page.getByLabel('Mã đăng ký').fill(await officer.code(member.user));
    await page.getByRole('button', { name: 'Đăng ký máy này' }).click();
    await phone.home();
  };
  const submitted = async (id) => assert.equal((await officer.get(`/api/v1/visits/${id}`)).status, 'submitted');
  try {
    const before = await devices();
    await phone.enrol(await officer.code(member.user));
    await page.getByText('Đã gửi hết').waitFor();

    line.answer = (url) => (url === '/sync' ? { status: 401 } : null);
    const ids = [await saveVisit(page)];
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Phiên làm việc đã hết. Dữ liệu vẫn giữ trên máy').waitFor();
    ids.push(await saveVisit(page));
    line.answer = null;
    await again();
    await page.getByText('Đã gửi hết').waitFor();
    for (const id of ids) await submitted(id);
    assert.equal(await page.getByText('Phiên làm việc đã hết').count(), 0);

    for (const id of (await devices()).filter((one) => !before.includes(one))) await officer.post(`/api/v1/devices/${id}/revoke`, { reason: 'lost' });
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Máy này đã bị thu hồi').waitFor();
    assert.equal((await ask(page, 'households', { query: '', limit: 3 })).length, 0);
    await again();
    await until(() => ask(page, 'households', { query: '', limit: 3 }), (rows) => rows.length > 0, 'the village is back');
    const last = await saveVisit(page);
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Đã gửi hết').waitFor();
    await submitted(last);
    assert.equal(await page.getByText('Máy này đã bị thu hồi').count(), 0);
  } finally {
    await phone.end();
    await line.end();
  }
}
