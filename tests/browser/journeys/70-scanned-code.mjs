// The enrolment code comes from a picture: a link of this address, or the code alone. A link of another address is refused, and
// without a camera it says what to do.
import assert from 'node:assert/strict';
import { Officer, Phone } from '../lib.mjs';

/** A camera that shows what the journey says, or fails as it says. */
function pretendCamera() {
  globalThis.shown = { text: '', fault: '' };
  globalThis.BarcodeDetector = class {
    async detect() {
      return globalThis.shown.text ? [{ rawValue: globalThis.shown.text }] : [];
    }
  };
  navigator.mediaDevices.getUserMedia = async () => {
    if (globalThis.shown.fault) throw new DOMException('', globalThis.shown.fault);
    const canvas = document.createElement('canvas');
    canvas.getContext('2d').fillRect(0, 0, 10, 10);
    const stream = canvas.captureStream(10);
    globalThis.track = stream.getTracks()[0];
    return stream;
  };
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  const { page } = phone;
  const field = page.getByLabel('Mã đăng ký');
  const scan = async (shown) => {
    await page.evaluate((shown) => Object.assign(globalThis.shown, { text: '', fault: '' }, shown), shown);
    await page.getByRole('button', { name: 'Quét mã QR' }).click();
  };
  try {
    await phone.context.addInitScript(pretendCamera);
    await phone.goto();
    for (const [fault, words] of [
      ['NotAllowedError', 'chưa được phép dùng máy ảnh'],
      ['NotFoundError', 'Không thấy máy ảnh'],
      ['NotReadableError', 'Máy ảnh đang bận'],
    ]) {
      await scan({ fault });
      await page.getByText(words).waitFor();
      await page.getByText('nhập mã bằng tay').waitFor();
    }
    const code = await officer.code(member.user);
    await scan({ text: `https://kho-ung-dung.example/app/#/enrol/${code}` });
    await page.getByText('kho-ung-dung.example').waitFor();
    assert.equal(await field.inputValue(), '', 'a code of another address is not taken');
    await scan({ text: 'https://kho-ung-dung.example/' });
    await page.getByText('không phải mã đăng ký').waitFor();
    await scan({ text: code });
    await page.getByText('Đã đọc mã').waitFor();
    assert.equal(await field.inputValue(), code);
    await field.fill('');
    await scan({ text: `${server.base}/app/#/enrol/${code}` });
    await page.getByText('Đã đọc mã').waitFor();
    assert.equal(await field.inputValue(), code);
    assert.equal(await page.evaluate(() => globalThis.track.readyState), 'ended', 'the camera is off');
    await page.getByRole('button', { name: 'Đăng ký máy này' }).click();
    await page.getByText('Chọn mã PIN 6 số').waitFor();
  } finally {
    await phone.end();
  }
}
