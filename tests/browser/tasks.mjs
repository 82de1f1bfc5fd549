// The five commonest tasks, from the home screen, as a person does them: taps and keystrokes are counted.
import { Officer, ask } from './lib.mjs';

/** Counts what fingers do. */
export class Taps {
  constructor(page) {
    this.page = page;
    this.taps = 0;
    this.keys = 0;
  }

  async tap(locator) {
    await locator.click();
    this.taps += 1;
  }

  async type(locator, text) {
    await this.tap(locator);
    await locator.pressSequentially(text);
    this.keys += text.length;
  }

  button = (name) => this.page.getByRole('button', { name, exact: true });

  /** Presses answers in a card of a kind of activity: the first one, or the one told. */
  async answer(kind, answers, at = 0) {
    const card = this.page.getByRole('region', { name: kind }).nth(at);
    for (const answer of answers) {
      await this.tap(card.getByRole('button', { name: answer, exact: true }).or(card.getByRole('radio', { name: answer, exact: true })).first());
    }
  }
}

/** Without tones, as people type. */
export const plain = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').replace(/đ/g, 'd').replace(/Đ/g, 'D').toLowerCase();

const PORTAL = 'Tạo tài khoản, đăng nhập Cổng dịch vụ công quốc gia';
const SKILLS = 'Hướng dẫn kỹ năng số trực tiếp';
const SAVED = 'Đã lưu trên máy';

/**
 * Each: what it is called, most taps and keystrokes, what must be there before (`prepare`, beside the phone, with a page that
 * asks the core), what is done.
 */
export const TASKS = [
  {
    name: 'a visit with two activities',
    most: { taps: 12, keys: 0 },
    run: async (hand) => {
      const { page } = hand;
      await hand.tap(page.getByRole('link', { name: 'Ghi chuyến thăm' }).first());
      await hand.tap(page.locator('main .list .item').first());
      await hand.tap(hand.button(PORTAL));
      await hand.tap(hand.button(SKILLS));
      await hand.tap(page.getByRole('button', { name: /^Tiếp tục/ }));
      await hand.answer(PORTAL, ['Có', 'Hoàn thành']);
      await hand.answer(SKILLS, ['Tìm thông tin trên Internet', 'Có', 'Hoàn thành']);
      await hand.tap(hand.button('Lưu và nộp'));
      await page.getByText(SAVED).waitFor();
    },
  },
  {
    name: 'nobody at home',
    most: { taps: 5, keys: 0 },
    run: async (hand) => {
      await hand.tap(hand.page.getByRole('link', { name: 'Ghi chuyến thăm' }).first());
      await hand.tap(hand.page.locator('main .list .item').first());
      await hand.tap(hand.button('Vắng nhà'));
      await hand.tap(hand.button('Lưu và nộp'));
      await hand.page.getByText(SAVED).waitFor();
    },
  },
  {
    name: 'two people taught at a meeting',
    most: { taps: 12, keys: 0 },
    run: async (hand) => {
      const { page } = hand;
      await hand.tap(page.getByRole('link', { name: 'Ghi chuyến thăm' }).first());
      await hand.tap(hand.button('Buổi tập trung (nhà văn hóa, họp thôn)'));
      await hand.tap(hand.button(SKILLS));
      await hand.tap(page.getByRole('button', { name: /^Tiếp tục/ }));
      await hand.answer(SKILLS, ['Thanh toán không dùng tiền mặt', 'Có', 'Hoàn thành']);
      await hand.tap(hand.button('Thêm một người nữa'));
      await hand.answer(SKILLS, ['Thanh toán không dùng tiền mặt', 'Có', 'Hoàn thành'], 1);
      await hand.tap(hand.button('Lưu và nộp'));
      await page.getByText(SAVED).waitFor();
    },
  },
  {
    name: 'a household found without tones, and its visits',
    most: { taps: 3, keys: 12 },
    prepare: async (aside, task) => {
      const [household] = await ask(aside, 'households', { query: '', limit: 1 });
      task.household = household;
    },
    run: async (hand, task) => {
      const { page } = hand;
      const name = task.household.head ?? task.household.label;
      await hand.tap(page.getByRole('link', { name: 'Hộ dân', exact: true }));
      await hand.type(page.getByRole('searchbox'), plain(name).slice(0, 12));
      await hand.tap(page.locator('main .list .item', { hasText: task.household.label }).first());
      await page.getByRole('heading', { name: 'Các lần thăm' }).waitFor();
    },
  },
  {
    name: 'what was sent back, put right and handed in again',
    most: { taps: 6, keys: 0 },
    prepare: async (aside, task, server) => {
      const officer = await Officer.signIn(server);
      const [household] = await ask(aside, 'households', { query: '', limit: 1 });
      const [place] = await ask(aside, 'places');
      const { day } = await ask(aside, 'state');
      const fields = { step: 'activated', age_14_plus: true, outcome: 'done' };
      const form = {
        village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day,
        activities: [{ kind: 'vneid_level2', fields }],
      };
      const draft = await ask(aside, 'draft_begin', { call: crypto.randomUUID(), form });
      await ask(aside, 'draft_finish', { id: draft.id, form, submit: true });
      await ask(aside, 'sync', { pressed: true });
      const { content_hash } = await officer.get(`/api/v1/visits/${draft.id}`);
      const reasons = [{ code: 'wrong_answer', activity: 0, field: 'step', text: 'Đã tích hợp giấy tờ chưa?' }];
      await officer.post(`/api/v1/visits/${draft.id}/return`, { content_hash, reasons });
      await ask(aside, 'sync', { pressed: true });
    },
    run: async (hand) => {
      const { page } = hand;
      await hand.tap(page.getByText('bị trả lại').first());
      await page.getByText('Đã tích hợp giấy tờ chưa?').first().waitFor();
      await hand.tap(page.getByRole('button', { name: /^Sửa/ }).or(page.getByRole('link', { name: /^Sửa/ })).first());
      await hand.tap(page.getByRole('button', { name: 'Đã tích hợp giấy tờ', exact: true }).or(page.getByRole('radio', { name: 'Đã tích hợp giấy tờ', exact: true })).first());
      await hand.tap(hand.button('Lưu và nộp'));
      await page.getByText(SAVED).waitFor();
    },
  },
];
