// The officer brings in a list with faults and mends it, takes somebody new into a team, gives her a code that her phone takes;
// the phone is lost with work on it, revoked, delivers late, and the work is adopted. Two households turn out to be one.
import assert from 'node:assert/strict';
import { Desk, Officer, Phone, ask } from '../lib.mjs';

const csv = (rows) => ({ name: 'ho-gia-dinh.csv', mimeType: 'text/csv', buffer: Buffer.from(`\ufeff${rows.join('\r\n')}\r\n`) });

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const desk = await Desk.open(server);
  const { page } = desk;
  let phone;
  try {
    const village = await officer.get(`/api/v1/units/${server.sample.villages[0]}`);
    // A list: one row is at fault, so nothing is entered; it is mended and entered.
    await desk.goto('imports');
    await page.getByRole('radio', { name: /Hộ gia đình/ }).check();
    const heading = 'Mã thôn,Tên gọi của nhà,Số người từ 15 tuổi';
    const good = `${village.code},"=cmd|' /C calc'!A0 nhà <script>alert(1)</script>",3`;
    const file = page.getByLabel('Tệp danh sách');
    await file.setInputFiles(csv([heading, good, ',Nhà không có thôn,2']));
    await page.getByText('1 chỗ cần sửa').first().waitFor();
    const kept = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Tải danh sách lỗi (CSV)' }).click();
    assert.ok((await kept).suggestedFilename().endsWith('.csv'));
    assert.equal((await officer.post('/api/v1/households/search', { village: village.id, q: 'nha script' })).items.length, 0, 'all or nothing');
    await file.setInputFiles(csv([heading, good]));
    await page.getByRole('button', { name: 'Nhập 1 dòng' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Nhập 1 dòng' }).click();
    await page.getByText('Đã nhập xong').waitFor();
    await desk.goto('households');
    await page.getByLabel('Tìm').fill('nha script');
    await page.getByRole('button', { name: 'Tìm' }).click();
    // Text of a stranger is text wherever it is shown.
    await page.getByRole('link', { name: /nhà <script>alert\(1\)<\/script>/ }).click();
    await page.getByRole('heading', { level: 1, name: /<script>/ }).waitFor();

    // Somebody new is taken into a team; an account is made at the same time. A code brings her phone in.
    const name = 'Nông Thị Thử Nghiệm (mẫu)';
    await desk.goto('teams');
    await page.getByRole('link', { name: new RegExp(village.name) }).first().click();
    await page.getByRole('button', { name: 'Thêm thành viên' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('radio', { name: 'Người chưa có tài khoản' }).check();
    await dialog.getByLabel('Họ và tên').fill(name);
    await dialog.getByLabel(/^Số điện thoại/).fill('0530990091');
    await dialog.getByRole('button', { name: 'Đưa vào tổ' }).click();
    await page.getByRole('link', { name }).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    const user = new URL(page.url()).pathname.split('/').pop();
    await page.getByRole('button', { name: 'Cấp mã đăng ký máy' }).click();
    await page.getByRole('img', { name: /Mã QR đăng ký máy/ }).waitFor();
    const code = (await page.getByRole('main').innerText()).match(/\b\d{4} \d{4}\b/)[0].replace(' ', '');
    phone = await Phone.open(server);
    await phone.enrol(code);
    await phone.page.getByText('Đã gửi hết').waitFor();
    await page.getByText(/Điện thoại đã vào/).waitFor();

    // The phone goes out of sight with work on it, and is revoked.
    const window = await phone.beside();
    await phone.offline();
    const [place] = await ask(window, 'places');
    const [household] = await ask(window, 'households', { query: '', limit: 1 });
    const form = {
      village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day: (await ask(window, 'state')).day,
      activities: [{ kind: 'vneid_level2', fields: { step: 'activated', age_14_plus: true, outcome: 'done' } }],
    };
    const draft = await ask(window, 'draft_begin', { call: crypto.randomUUID(), form });
    await ask(window, 'draft_finish', { id: draft.id, form, submit: true });
    await desk.goto(`people/${user}`);
    await page.getByRole('button', { name: /^Thu hồi/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Thu hồi' }).click();
    await page.getByText(/thu hồi lúc/).waitFor();

    // It comes back to the network: it delivers, and reads nothing. The officer adopts the work.
    await phone.offline(false);
    await window.close();
    await phone.page.getByText(/thu hồi/).first().waitFor();
    await page.reload();
    await page.getByRole('button', { name: /^Sổ của máy/ }).click();
    await page.getByText('1 mục gửi đến sau khi máy bị thu hồi').waitFor();
    await page.getByRole('button', { name: 'Nhận 1 mục này' }).click();
    await page.getByText('Đã nhận 1 mục,').waitFor();
    const { items } = await officer.get(`/api/v1/visits?member=${user}`);
    assert.equal(items.length, 1, 'the visit counts as its owner’s');

    // Two households that are one; and separated again.
    await desk.goto('duplicates');
    const pair = page.getByRole('article').first();
    await pair.waitFor();
    const [one] = await pair.getByRole('link').allInnerTexts();
    await pair.getByRole('button', { name: 'Là một hộ' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Gộp' }).click();
    await page.getByText('Đã gộp hai hộ').waitFor();
    await desk.goto('households');
    await page.getByLabel('Tìm').fill(one);
    await page.getByRole('button', { name: 'Tìm' }).click();
    await page.getByRole('link', { name: one, exact: true }).first().click();
    await page.getByText('Đã gộp vào đây').waitFor();
    await page.getByRole('link', { name: 'Hộ 1' }).click();
    await page.getByText('đã gộp vào một hộ khác').waitFor();
    await page.getByRole('button', { name: 'Tách ra' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Tách ra' }).click();
    await page.getByRole('button', { name: 'Chuyển thôn' }).waitFor();
  } finally {
    await phone?.end();
    await desk.end();
  }
}
