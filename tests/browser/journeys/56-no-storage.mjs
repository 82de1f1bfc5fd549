// Only the worker gets no files: no store in memory stands in, the screen says so, and nothing can be entered.
import assert from 'node:assert/strict';
import { Phone, startLine } from '../lib.mjs';

const CLOSED = "StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('closed', 'SecurityError'));\n";

export default async function journey(server) {
  const line = await startLine(server);
  line.change = (url, body) => (/worker-.*\.js$/.test(url) ? Buffer.concat([Buffer.from(CLOSED), body]) : null);
  const phone = await Phone.open(line);
  try {
    await phone.goto();
    await phone.page.getByRole('heading', { name: 'Không mở được sổ trên máy' }).waitFor();
    await phone.page.getByText('Không mở được vùng lưu trữ của ứng dụng').waitFor();
    assert.equal(await phone.page.getByLabel('Mã đăng ký').count(), 0);
  } finally {
    // The reason stands in the console for whoever is asked for help.
    phone.complaints = phone.complaints.filter((text) => !text.includes('pool_unavailable'));
    await phone.end();
    await line.end();
  }
}
