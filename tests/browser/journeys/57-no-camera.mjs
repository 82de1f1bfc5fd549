// The camera is refused, or the browser cannot read codes: said, with the other way; a pasted code is read all the same.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { visitForm, write } from '../bad.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const phone = await Phone.open(server);
  try {
    const { page } = phone;
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    const form = { ...(await visitForm(page)), activities: [{ kind: 'payment_qr_point', fields: {} }] };
    const draft = await write(page, 'draft_begin', { form });
    await page.evaluate((id) => (location.hash = `#/draft/${id}`), draft.id);
    const scan = page.getByRole('button', { name: 'Quét mã QR', exact: true });

    await page.evaluate(() => delete globalThis.BarcodeDetector);
    await scan.click();
    await page.getByText('Trình duyệt này không đọc được mã bằng máy ảnh').waitFor();
    await page.getByRole('button', { name: 'Thôi', exact: true }).click();

    await page.evaluate(() => {
      globalThis.BarcodeDetector = class {};
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('refused', 'NotAllowedError'));
    });
    await scan.click();
    await page.getByText('Không dùng được máy ảnh. Hãy cho phép máy ảnh').waitFor();
    await page.getByLabel('Dán nội dung mã QR').fill('không phải mã');
    await page.getByRole('button', { name: 'Đọc mã' }).click();
    await page.locator('.wrong:not(:empty)').first().waitFor();
    assert.equal(await page.getByLabel('Dán nội dung mã QR').inputValue(), 'không phải mã', 'what was pasted stays');
    assert.equal((await ask(page, 'drafts')).filter((one) => one.id === draft.id).length, 1);
  } finally {
    await phone.end();
  }
}
