// The app is too old and there is no newer one to be had: the file is one tap away from the notice, and brings the visit once.
import assert from 'node:assert/strict';
import { Officer, Phone, ask, startLine } from '../lib.mjs';
import { exportAndImport, saveVisit } from '../bad.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const line = await startLine(server);
  const phone = await Phone.open(line);
  try {
    const { page } = phone;
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    line.answer = (url) => (url === '/sync' ? { status: 426 } : null);
    const visit = await saveVisit(page);
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Máy chủ không nhận bản ứng dụng này nữa').waitFor();

    const taken = await exportAndImport(server, page);
    assert.deepEqual([taken.known, taken.rejected, taken.problems], [0, 0, []]);
    assert.ok(taken.ops > 0);
    assert.equal(taken.applied, taken.ops);
    assert.equal((await officer.get(`/api/v1/visits/${visit}`)).status, 'submitted');
    assert.equal((await ask(page, 'state')).sync.problem, 'update_needed', 'the phone changed nothing by itself');

    // The server talks to it again: the same once more changes nothing, and the offer of a file goes.
    line.answer = null;
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Đã gửi hết').waitFor();
    await page.getByRole('button', { name: 'Xuất bản cứu hộ' }).waitFor({ state: 'detached' });
    const { sync } = await ask(page, 'state');
    assert.deepEqual([sync.waiting + sync.sent, sync.refused], [0, 0]);
    assert.equal((await officer.get(`/api/v1/visits/${visit}`)).status, 'submitted');
  } finally {
    await phone.end();
    await line.end();
  }
}
