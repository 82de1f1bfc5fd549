// The commune's report of a month: words typed beside numbers that are filled in, kept when one wants to leave, handed in, sent
// back by the province, put right and accepted; with its papers, and what is behind a number three clicks away.
import assert from 'node:assert/strict';
import { Desk } from '../lib.mjs';

export default async function journey(server) {
  const desk = await Desk.open(server);
  const above = await Desk.open(server, 'province_officer');
  const { page } = desk;
  const told = (who, text) => who.page.getByRole('status').filter({ hasText: text }).waitFor();
  const hand = async () => {
    await page.getByRole('button', { name: 'Nộp báo cáo' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Nộp báo cáo' }).click();
    await told(desk, 'Đã nộp');
  };
  try {
    await desk.goto('reports');
    const month = await page.getByLabel('Kỳ (tháng)').inputValue();
    await page.getByLabel('Khó khăn, kiến nghị').fill('Nhiều hộ chưa có điện thoại thông minh. <img src=x onerror=alert(1)>');
    // What is being written is not lost by a slip of the hand.
    page.once('dialog', (asked) => asked.dismiss());
    await page.getByRole('link', { name: 'Tổng quan' }).click();
    assert.match(await page.getByLabel('Khó khăn, kiến nghị').inputValue(), /Nhiều hộ/);
    await page.getByRole('button', { name: 'Lưu' }).click();
    await told(desk, 'Đã lưu');
    await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
    for (const [format, ending] of [['PDF', '.pdf'], ['XLSX', '.xlsx']]) {
      const kept = page.waitForEvent('download');
      await page.getByRole('button', { name: `Tải ${format}` }).click();
      assert.ok((await kept).suggestedFilename().endsWith(ending));
    }
    await hand();

    await above.goto(`reports?month=${month}`);
    await above.page.getByRole('row', { name: /Gia Hội.*đã nộp/ }).getByRole('link').click();
    await above.page.getByRole('button', { name: 'Trả lại' }).click();
    await above.page.getByRole('dialog').getByLabel('Lý do').fill('Bổ sung phương hướng kỳ tới');
    await above.page.getByRole('dialog').getByRole('button', { name: 'Trả lại' }).click();
    await told(above, 'Đã trả lại');

    await page.reload();
    await page.getByText('Bổ sung phương hướng kỳ tới').waitFor();
    await page.getByLabel('Phương hướng kỳ tới').fill('Đến từng nhà chưa có VNeID.');
    await page.getByRole('button', { name: 'Lưu' }).click();
    await told(desk, 'Đã lưu');
    await hand();
    await page.getByText('2 bản đã chụp').waitFor();
    await above.page.reload();
    await above.page.getByRole('button', { name: 'Chấp nhận' }).click();
    await told(above, 'Đã chấp nhận');
    await page.reload();
    await page.getByText('đã chấp nhận').first().waitFor();
    assert.equal(await page.getByRole('button', { name: 'Nộp báo cáo' }).count(), 0, 'what is accepted is not handed in again');

    // A province sees numbers and no household.
    await above.goto('households');
    await above.page.getByRole('alert').first().waitFor();
  } finally {
    await desk.end();
    await above.end();
  }
}
